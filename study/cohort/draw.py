"""Groups of scans drawn as wholes: some of them picked, or all of them dealt to folds.

Stratified draws walk through the groups ordered by site and label, every second site downwards, so
that neighbours are alike, and take or deal neighbours evenly.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from study.badinput import BadInput


def units(
    labels: np.ndarray, sites: Sequence[str], groups: Sequence[str], stratify: bool, rng: np.random.Generator
) -> list[list[int]]:
    """Groups as lists of positions; in random order, or with neighbours alike in site and label."""
    members: dict[str, list[int]] = defaultdict(list)
    for i, group in enumerate(groups):
        members[group].append(i)
    shuffled = list(members.values())
    drawn = [shuffled[i] for i in rng.permutation(len(shuffled))]
    if not stratify:
        return drawn
    names = sorted(set(sites))
    rank = {name: i for i, name in enumerate(names)}

    def order(unit: list[int]) -> tuple[int, float]:
        site = rank[sites[unit[0]]]
        label = float(np.mean(labels[unit]))
        return site, label if site % 2 == 0 else -label

    return sorted(drawn, key=order)


def deal(drawn: list[list[int]], scans: int, folds: int, rng: np.random.Generator) -> np.ndarray:
    """Fold of each scan (M,): unit after unit to the smallest fold, ties at random."""
    fold_M, sizes = np.empty(scans, dtype=int), np.zeros(folds, dtype=int)
    for unit in drawn:
        fold = rng.choice(np.flatnonzero(sizes == sizes.min()))
        fold_M[unit] = fold
        sizes[fold] += len(unit)
    return fold_M


def pick(
    labels: np.ndarray,
    sites: Sequence[str],
    groups: Sequence[str],
    count: int,
    stratify: bool,
    rng: np.random.Generator,
) -> list[int]:
    """Positions of `count` scans in whole groups: one unit of each neighbourhood of groups, then others.

    There are as many neighbourhoods as groups are wanted: `count` where each scan is a group of its own.
    """
    if count == 0:
        return []
    drawn = units(labels, sites, groups, stratify, rng)
    wanted = max(1, round(count * len(drawn) / len(groups)))
    # Cut at a random place and with small and large parts interleaved: every unit is as likely to be picked.
    circle = np.roll(np.arange(len(drawn)), int(rng.integers(len(drawn))))
    parts = [rng.permutation(part) for part in np.split(circle, np.arange(1, wanted) * len(drawn) // wanted)]
    first_ones_first = [
        int(parts[i][turn])
        for turn in range(max(map(len, parts)))
        for i in rng.permutation(wanted)
        if turn < len(parts[i])
    ]
    chosen: list[int] = []
    for unit in first_ones_first:
        if len(chosen) + len(drawn[unit]) <= count:
            chosen += drawn[unit]
    if not chosen:
        raise BadInput(
            f"no group of scans is small enough to choose {count} scans",
            where="groups",
            fix="Choose more",
        )
    return chosen
