"""The paired swap permutation test, the primary result of a comparison of two arms."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.moments import Terms, resampled
from analysis.pairing import paired
from analysis.resampling import count_units, draw_swaps, units_of
from study.agreement import Floats, Form, icc, mse


class SwapTest(NamedTuple):
    """Two-sided p values of the paired swap permutation test."""

    icc: float
    mse: float


def swap_permutation(
    first: ArrayLike,
    second: ArrayLike,
    labels: ArrayLike,
    *,
    generator: np.random.Generator,
    form: Form = "A,1",
    permutations: int = 9999,
    groups: Sequence[object] | None = None,
) -> SwapTest:
    """Whether two arms are exchangeable on each scan: their predictions are swapped at random.

    The test's size is exact for that null hypothesis, whatever the labels' distribution. The
    observed assignment counts as one permutation, so p is at least 1 / (permutations + 1).

    Args:
        first, second, labels: (scans,), the same scans in the same order and unit.
        groups: One a scan; the scans of a group are swapped together.
    """
    pair_2M, labels_M = paired(first, second, labels)
    counts = np.ones(2)
    scores = np.array([icc(pair_2M, labels_M, form), mse(pair_2M, labels_M)])
    gaps = np.abs(scores[:, 0] - scores[:, 1])
    # Equal up to rounding counts as equal: otherwise ties would make p too small.
    least = gaps - 1e-9 * (gaps + np.abs(scores).sum(axis=1))
    unit_M = units_of(groups)
    drawn = draw_swaps(count_units(unit_M, labels_M.size), permutations, generator)
    swaps = drawn if unit_M is None else (each[:, unit_M] for each in drawn)
    for swapped in _swapped(pair_2M, labels_M, swaps, form):
        counts += (swapped >= least[:, None]).sum(axis=1)
    p_icc, p_mse = np.where(np.isfinite(gaps), counts / (permutations + 1), np.nan)
    return SwapTest(float(p_icc), float(p_mse))


def _swapped(
    pair_2M: Floats, labels_M: Floats, swaps: Iterator[NDArray[np.bool_]], form: Form
) -> Iterator[Floats]:
    """Sizes of the ICC and MSE gaps, (2, permutations of the block).

    What a swap moves from one arm's sums to the other's is a sum over the swapped scans: all
    permutations are one matrix product.
    """
    m = labels_M.size
    both_2M, twice = pair_2M.reshape(2 * m), np.tile(labels_M, 2)
    terms = Terms(both_2M, twice)
    one, other = terms.table_5U[:, :m], terms.table_5U[:, m:]
    for swap_RM in swaps:
        moved = (swap_RM.astype(np.float64) @ (other - one).T).T
        sums = one.sum(axis=1)[:, None] + moved, other.sum(axis=1)[:, None] - moved
        (first, unsure), (second, unsure_too) = (
            terms.icc(each, m, form, squares=each[1] + each[3]) for each in sums
        )
        gaps = np.abs([first - second, (sums[0][4] - sums[1][4]) / m])
        some = np.flatnonzero(unsure | unsure_too)
        if some.size:
            drawn = [np.arange(m) + m * chosen for chosen in (swap_RM[some], ~swap_RM[some])]
            iccs = [resampled(both_2M[None], twice, [block], form)[0][0] for block in drawn]
            gaps[0, some] = np.abs(iccs[0] - iccs[1])
        yield gaps
