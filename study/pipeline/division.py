"""How a study divides its cohort: test scans, development scans, folds. Needs no voxels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from study.badinput import BadInput
from study.cohort.scan import Cohort
from study.cohort.split import Fold, Split, holdout_fold, make_folds, outer_split, pseudo_uniform, split_test
from study.settings import StudySettings


class Listed(Protocol):
    """What a division is drawn from; cohort arrays have it, and so has a cohort not yet preprocessed."""

    @property
    def ids(self) -> tuple[str, ...]: ...
    @property
    def labels(self) -> np.ndarray: ...
    @property
    def sites(self) -> tuple[str, ...]: ...
    @property
    def groups(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Listing:
    """M scans by id, label, site and group."""

    ids: tuple[str, ...]
    labels: np.ndarray
    sites: tuple[str, ...]
    groups: tuple[str, ...]


def listing(cohort: Cohort) -> Listing:
    """The scans of a cohort without their images."""
    scans = cohort.scans
    return Listing(
        ids=tuple(scan.id for scan in scans),
        labels=np.array([scan.label for scan in scans], dtype=np.float64),
        sites=tuple(scan.site for scan in scans),
        groups=tuple(scan.group for scan in scans),
    )


def draw_split(settings: StudySettings, cohort: Listed) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Ids of the development and of the test scans.

    Raises:
        BadInput: The cohort cannot be divided so, or its development labels are all the same.
    """
    split = _whole_split(settings, cohort)
    development = split.development
    if settings.split.development is not None:
        development = _fewer(settings, cohort, development, settings.split.development)
    labels = cohort.labels[positions(cohort, development)]
    if len(labels) > 1 and np.ptp(labels) == 0:
        raise BadInput(
            f"all {len(labels)} development scans have the same label, {labels[0]:g}: nothing can be learned",
            where=str(settings.cohort.path),
            fix="Check the labels: setsum inspect COHORT",
        )
    return development, split.test


def _whole_split(settings: StudySettings, cohort: Listed) -> Split:
    wanted, outer = settings.split, settings.validation.outer_folds
    scans = (cohort.ids, cohort.labels, cohort.sites, cohort.groups)
    if outer is None:
        if wanted.outer_fold is not None:
            raise BadInput(
                f"`split.outer_fold: {wanted.outer_fold}` needs `validation.outer_folds`",
                where="split",
                fix="Set both or neither",
            )
        return split_test(*scans, test=wanted.test, stratify=wanted.stratify, seed=settings.seed)
    assert wanted.outer_fold is not None, "a nested cross-validation is a series, and this one of its studies"
    return outer_split(
        *scans, folds=outer, fold=wanted.outer_fold, stratify=wanted.stratify, seed=settings.seed
    )


def _fewer(settings: StudySettings, cohort: Listed, development: Sequence[str], size: int) -> tuple[str, ...]:
    """Pseudo-uniform development scans; the paper's fixed validation scans stay the same for any size."""
    rows = positions(cohort, development)
    held: set[str] = set()
    if settings.validation.protocol == "paper" and size <= len(development):
        (fold,) = study_folds(settings, cohort, rows, settings.seed)
        held = {cohort.ids[rows[position]] for position in fold.held_out}
    others = [(cohort.ids[row], cohort.labels[row]) for row in rows if cohort.ids[row] not in held]
    names, labels = [name for name, _ in others], np.array([label for _, label in others])
    kept = {*pseudo_uniform(names, labels, size - len(held), settings.seed), *held}
    return tuple(name for name in cohort.ids if name in kept)


def positions(cohort: Listed, ids: Sequence[str]) -> NDArray[np.int64]:
    """Where scans stand in a cohort, ascending."""
    where = {name: position for position, name in enumerate(cohort.ids)}
    return np.sort([where[name] for name in ids]).astype(np.int64)


def study_folds(
    settings: StudySettings, cohort: Listed, rows: NDArray[np.int64], seed: int
) -> tuple[Fold, ...]:
    """Folds within the development scans as the study's validation asks for them.

    Raises:
        BadInput: There are too few scans.
    """
    validation = settings.validation
    return draw_folds(
        cohort,
        rows,
        folds=validation.folds,
        repeats=validation.repeats,
        holdout=validation.scans if validation.protocol == "paper" else None,
        stratify=settings.split.stratify,
        seed=seed,
        study_seed=settings.seed,
    )


def draw_folds(
    cohort: Listed,
    rows: Sequence[int] | NDArray[np.int64],
    *,
    folds: int,
    repeats: int,
    holdout: int | None,
    stratify: bool,
    seed: int,
    study_seed: int,
) -> tuple[Fold, ...]:
    """Folds within some scans of a cohort.

    Args:
        cohort: The cohort.
        rows: Positions of the development scans.
        folds: Number of folds.
        repeats: Times the folds are drawn.
        holdout: Fixed validation scans instead of folds: the same whatever `seed` (the paper's protocol).
        stratify: By label quantile and site.
        seed: Draws the folds.
        study_seed: Draws the holdout.
    """
    labels = cohort.labels[np.asarray(rows)]
    sites = [cohort.sites[row] for row in rows]
    groups = [cohort.groups[row] for row in rows]
    if holdout is not None:
        return holdout_fold(groups, validation=holdout, seed=study_seed)
    return make_folds(labels, sites, groups, folds=folds, repeats=repeats, stratify=stratify, seed=seed)
