"""How a study divides its cohort: test scans, development scans, folds. Needs no voxels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from study.cohort.scan import Cohort
from study.cohort.split import Fold, holdout_fold, make_folds, pseudo_uniform, split_test
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
        BadInput: The cohort cannot be divided so.
    """
    wanted = settings.split
    split = split_test(
        cohort.ids,
        cohort.labels,
        cohort.sites,
        cohort.groups,
        test=wanted.test,
        stratify=wanted.stratify,
        seed=settings.seed,
    )
    if wanted.development is None:
        return split.development, split.test
    where = {name: position for position, name in enumerate(cohort.ids)}
    labels = cohort.labels[[where[name] for name in split.development]]
    return pseudo_uniform(split.development, labels, wanted.development, settings.seed), split.test


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
        return holdout_fold(labels, sites, groups, validation=holdout, seed=study_seed)
    return make_folds(labels, sites, groups, folds=folds, repeats=repeats, stratify=stratify, seed=seed)
