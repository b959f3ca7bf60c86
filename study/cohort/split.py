"""Which scans are for testing, which for development, and how development is cut into folds.

All draws are by seed alone; a group (one person's several scans) never straddles a line.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Self

import numpy as np

from study.badinput import BadInput
from study.cohort.draw import deal, pick, units


@dataclass(frozen=True, kw_only=True)
class Split:
    """Ids of development and test scans, each in the cohort's order."""

    development: tuple[str, ...]
    test: tuple[str, ...]

    def to_json(self) -> dict[str, list[str]]:
        return {"development": list(self.development), "test": list(self.test)}

    @classmethod
    def from_json(cls, content: dict[str, list[str]]) -> Self:
        return cls(development=tuple(content["development"]), test=tuple(content["test"]))


@dataclass(frozen=True, kw_only=True, eq=False)
class Fold:
    """Sorted integer positions into the development scans: `train` (m,) and `held_out` (h,)."""

    repeat: int
    index: int
    train: np.ndarray
    held_out: np.ndarray


def split_test(
    ids: Sequence[str],
    labels: np.ndarray,
    sites: Sequence[str],
    groups: Sequence[str],
    *,
    test: int | float | Path | Sequence[str],
    stratify: bool,
    seed: int,
) -> Split:
    """Set test scans aside.

    Args:
        ids: M scans.
        labels: (M,).
        sites: Site of each, "" where unknown.
        groups: Group of each.
        test: A number of scans, a share of them in [0, 1), a list of ids, or a file with one id a
            line. A number is met exactly unless groups make that impossible; then it is approached
            from below.
        stratify: Spread the draw over sites and label quantiles.
        seed: Of the draw; means nothing where ids are listed.

    Raises:
        BadInput: Too many are asked for, an id is unknown, or a group would straddle the line.
    """
    if isinstance(test, int | float):
        count = _test_count(test, len(ids))
        chosen = set(pick(labels, sites, groups, count, stratify, np.random.default_rng([seed, 0])))
    else:
        chosen = _listed(ids, groups, test)
    if len(chosen) >= len(ids):
        raise BadInput("all scans are test scans, none is left to develop on", where="test", fix="List fewer")
    return Split(
        development=tuple(name for i, name in enumerate(ids) if i not in chosen),
        test=tuple(name for i, name in enumerate(ids) if i in chosen),
    )


def pseudo_uniform(ids: Sequence[str], labels: np.ndarray, size: int, seed: int) -> tuple[str, ...]:
    """A subset whose labels are spread as evenly as possible over their range (paper, section 3).

    One target is drawn in each of `size` equal slices of the label range; scans are assigned to
    targets so that the summed distance is least.

    Args:
        ids: M development scans.
        labels: (M,).
        size: Scans to keep, 1 to M; they keep their order.
        seed: Of the draw.

    Raises:
        BadInput: `size` is out of range.
    """
    from scipy.optimize import linear_sum_assignment  # a second to import, and needed only here

    if not 1 <= size <= len(ids):
        raise BadInput(
            f"1 <= `size` <= {len(ids)} development scans must hold, got {size}",
            where="size",
            fix="Choose another",
        )
    rng = np.random.default_rng([seed, 1])
    targets = labels.min() + np.ptp(labels) * (np.arange(size) + rng.random(size)) / size
    # In random order, so that equal labels are not always settled in favour of the first.
    order = rng.permutation(len(ids))
    _, columns = linear_sum_assignment(np.abs(targets[:, None] - labels[order][None, :]))
    return tuple(ids[i] for i in np.sort(order[columns]))


def make_folds(
    labels: np.ndarray,
    sites: Sequence[str],
    groups: Sequence[str],
    *,
    folds: int,
    repeats: int,
    stratify: bool,
    seed: int,
) -> tuple[Fold, ...]:
    """Cut development scans into folds; each scan is held out once a repeat.

    Without groups, fold sizes differ by at most one.

    Args:
        labels: (M,) of the development scans.
        sites: Site of each.
        groups: Group of each.
        folds: At least 2, at most the number of groups.
        repeats: Cuts, each drawn anew.
        stratify: Deal each site's neighbouring labels to different folds.
        seed: Of all draws.

    Raises:
        BadInput: There are fewer groups than folds, or fewer than two folds.
    """
    if repeats < 1:
        raise BadInput(f"`repeats` must be at least 1, got {repeats}", where="repeats", fix="Set it to 1")
    available = len(set(groups))
    if not 2 <= folds <= available:
        raise BadInput(
            f"2 <= `folds` <= {available} (scans, or groups of scans) must hold, got {folds}",
            where="folds",
            fix="Choose fewer folds or keep more development scans",
        )
    result: list[Fold] = []
    for repeat in range(repeats):
        rng = np.random.default_rng([seed, 2, repeat])
        fold_M = deal(units(labels, sites, groups, stratify, rng), len(labels), folds, rng)
        result += [_fold(repeat, index, fold_M == index) for index in range(folds)]
    return tuple(result)


def holdout_fold(groups: Sequence[str], *, validation: int, seed: int) -> tuple[Fold, ...]:
    """One fold with a few fixed validation scans (the paper's 5 or 6), drawn at random.

    Groups stand in an order that seed and name alone decide, so that a development set from which other
    scans were taken away (the paper's learning curve) has the same validation scans.

    Args:
        groups: Group of each of the M development scans.
        validation: Scans to hold out, at least 1 and fewer than M.
        seed: Of the draw.

    Raises:
        BadInput: `validation` is out of range, or groups are too large to meet it.
    """
    if not 1 <= validation < len(groups):
        raise BadInput(
            f"1 <= `validation` < {len(groups)} development scans must hold, got {validation}",
            where="validation",
            fix="Choose another",
        )
    sizes, held, room = Counter(groups), set[str](), validation
    for group in sorted(sizes, key=lambda name: sha256(f"{seed} {name}".encode()).digest()):
        if sizes[group] <= room:
            held.add(group)
            room -= sizes[group]
    if not held:
        raise BadInput(
            f"no group of scans is small enough to hold {validation} scans out",
            where="groups",
            fix="Choose more",
        )
    return (_fold(0, 0, np.array([group in held for group in groups])),)


def outer_split(
    ids: Sequence[str],
    labels: np.ndarray,
    sites: Sequence[str],
    groups: Sequence[str],
    *,
    folds: int,
    fold: int,
    stratify: bool,
    seed: int,
) -> Split:
    """One turn of a nested cross-validation: the scans of an outer fold are tested, all others develop.

    Args:
        ids: M scans; with them labels (M,), the site and the group of each.
        folds: Outer folds.
        fold: Which of them is tested, from 1.
        stratify: Deal each site's neighbouring labels to different folds.
        seed: The same in every turn, so that each scan is tested in one of them.

    Raises:
        BadInput: There are fewer groups than folds, or no such fold.
    """
    if not 1 <= fold <= folds:
        raise BadInput(
            f"1 <= `split.outer_fold` <= {folds} must hold, got {fold}", where="split", fix="Leave it out"
        )
    # A stream apart from that of the inner folds.
    stream = int(np.random.SeedSequence([seed, 4]).generate_state(1)[0])
    cut = make_folds(labels, sites, groups, folds=folds, repeats=1, stratify=stratify, seed=stream)
    turn = cut[fold - 1]
    return Split(development=tuple(ids[i] for i in turn.train), test=tuple(ids[i] for i in turn.held_out))


def whole_fold(scans: int) -> Fold:
    """No fold at all: each of so many scans trains the one network and is predicted by it, so that its errors
    are a fit and no scores."""
    everyone = np.arange(scans)
    return Fold(repeat=0, index=0, train=everyone, held_out=everyone)


def _fold(repeat: int, index: int, held_M: np.ndarray) -> Fold:
    return Fold(repeat=repeat, index=index, train=np.flatnonzero(~held_M), held_out=np.flatnonzero(held_M))


def _test_count(test: int | float, scans: int) -> int:
    """`test` as a number of scans."""
    share = isinstance(test, float)
    if share and not 0 <= test < 1:
        raise BadInput(
            f"a share of test scans must lie in [0, 1), got {test}", where="test", fix="Correct it"
        )
    count = round(test * scans) if share else int(test)
    if not 0 <= count < scans:
        raise BadInput(
            f"0 <= `test` < {scans} scans must hold, got {count}", where="test", fix="Choose fewer test scans"
        )
    return count


def _listed(ids: Sequence[str], groups: Sequence[str], test: Path | Sequence[str]) -> set[int]:
    """Positions of the ids listed in a file or a sequence."""
    where = str(test) if isinstance(test, str | Path) else "test"
    listed = _read_ids(Path(test)) if isinstance(test, str | Path) else list(test)
    position = {name: i for i, name in enumerate(ids)}
    unknown = [name for name in listed if name not in position]
    if unknown or not listed:
        what = f"unknown scan id {unknown[0]!r}" if unknown else "no test scan is listed"
        raise BadInput(what, where=where, fix="List ids of this cohort, as `setsum inspect` shows them")
    twice = [name for name, count in Counter(listed).items() if count > 1]
    if twice:
        raise BadInput(f"scan id {twice[0]!r} is listed twice", where=where, fix="Remove one")
    chosen = {position[name] for name in listed}
    tested = {groups[i] for i in chosen}
    for i, group in enumerate(groups):
        if group in tested and i not in chosen:
            raise BadInput(
                f"scan {ids[i]!r} belongs to group {group!r}, which has test scans",
                where=where,
                fix="List all scans of the group or none",
            )
    return chosen


def _read_ids(path: Path) -> list[str]:
    """One id a line; empty lines and lines that start with # are passed over."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            "the list of test scans cannot be read", where=str(path), fix="Give a text file of ids"
        ) from error
    return [line for line in lines if line and not line.startswith("#")]
