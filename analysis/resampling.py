"""Drawing: which scans enter a bootstrap resample, and which scans a permutation swaps.

Only indices and flags are drawn here; what they are applied to is the caller's. They come in
blocks, so that memory stays small however many scans and resamples there are.

Several scans of one person (a group) are not independent of each other: they are drawn, left out and
swapped as one unit (Davison and Hinkley 1997, section 3.8).
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

BLOCK = 500_000
"""Most numbers in a block: four megabytes, which is faster than more and as fast as less."""


def units_of(groups: Sequence[object] | None) -> NDArray[np.intp] | None:
    """The unit of each scan, numbered in the order of their first scans; None where each scan is one."""
    if groups is None:
        return None
    numbers: dict[str, int] = {}
    unit_M = np.array([numbers.setdefault(str(group), len(numbers)) for group in groups], dtype=np.intp)
    return None if len(numbers) == len(unit_M) else unit_M


def count_units(unit_M: NDArray[np.intp] | None, scans: int) -> int:
    """How many units so many scans are."""
    return scans if unit_M is None else int(unit_M.max()) + 1


def strata_of_units(
    strata: Sequence[object] | None, unit_M: NDArray[np.intp] | None
) -> Sequence[object] | None:
    """One stratum a unit, from one a scan.

    Raises:
        ValueError: A unit lies in two strata.
    """
    if strata is None or unit_M is None:
        return strata
    found: dict[int, object] = {}
    for unit, stratum in zip(unit_M, strata, strict=True):
        if found.setdefault(int(unit), stratum) != stratum:
            raise ValueError(f"scans of one group lie in the strata {found[int(unit)]} and {stratum}")
    return list(found.values())


def strata_positions(scans: int, strata: Sequence[object] | None) -> list[NDArray[np.intp]]:
    """Positions of the scans of each stratum; a single stratum without `strata`."""
    if strata is None:
        return [np.arange(scans)]
    if len(strata) != scans:
        raise ValueError(f"`strata` must name one stratum a scan, but got {len(strata)} for {scans} scans")
    names = np.array([str(name) for name in strata])
    return [np.flatnonzero(names == name) for name in np.unique(names)]


def draw_resamples(
    scans: int, resamples: int, generator: np.random.Generator, strata: Sequence[object] | None = None
) -> Iterator[NDArray[np.intp]]:
    """Blocks (resamples of the block, scans) of scan positions, drawn with replacement within strata."""
    positions = strata_positions(scans, strata)
    for size in _blocks(scans, resamples):
        if strata is None:
            yield generator.integers(0, scans, (size, scans))
            continue
        block = np.empty((size, scans), dtype=np.intp)
        for members in positions:
            block[:, members] = members[generator.integers(0, len(members), (size, len(members)))]
        yield block


def draw_swaps(scans: int, permutations: int, generator: np.random.Generator) -> Iterator[NDArray[np.bool_]]:
    """Blocks (permutations of the block, scans) of fair coins: whether two arms swap on a scan."""
    for size in _blocks(scans, permutations):
        yield generator.integers(0, 2, (size, scans), dtype=np.int8).astype(bool)


def _blocks(scans: int, total: int) -> Iterator[int]:
    size = max(1, BLOCK // max(scans, 1))
    for start in range(0, total, size):
        yield min(size, total - start)
