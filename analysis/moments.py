"""Agreement of thousands of resamples from a few sums over scans: no resample is ever written out.

An ICC of two raters needs four sums (of the scans' means and half differences, and of their squares),
an MSE one. Over resamples these are one matrix product, of how often each scan was drawn with the
scans' terms; with one scan left out they are the totals less that scan's terms. Differences of sums
lose digits where a resample varies far less than the whole sample does: such ones, rare, are computed
scan by scan instead, and with them all that are exactly constant, whose ICC is not defined.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.resampling import BLOCK
from study.agreement import Floats, Form, MeanSquares, icc, icc_from_squares

# Share of the sum of squares that must be variation: ten of sixteen digits are left, or more.
VARIES = 1e-5
# With fewer, the variances of `A,1` may cancel each other.
_FEWEST = 8


def resampled(
    arms_AM: Floats, labels_M: Floats, blocks: Iterable[NDArray[np.intp]], form: Form
) -> tuple[Floats, Floats]:
    """ICC and MSE with the labels, each (arms, resamples).

    Args:
        arms_AM: Predictions (arms, scans).
        blocks: Positions of the scans drawn, (resamples, scans drawn) each; see `draw_resamples`.
    """
    terms = [Terms(arm_M, labels_M) for arm_M in arms_AM]
    scores = [block_scores(terms, drawn_counts(block_RM, labels_M.size), form) for block_RM in blocks]
    iccs, mses = zip(*scores, strict=True)
    return np.concatenate(iccs, axis=1), np.concatenate(mses, axis=1)


def block_scores(terms: Sequence["Terms"], counts_RU: Floats, form: Form) -> tuple[Floats, Floats]:
    """ICC and MSE, each (arms, resamples), from how often each unit was drawn."""
    iccs, mses = zip(*(_drawn(arm, counts_RU, form) for arm in terms), strict=True)
    return np.stack(iccs), np.stack(mses)


def left_out(terms: Sequence["Terms"], form: Form) -> tuple[Floats, Floats]:
    """ICC and MSE with the labels when one unit is left out, each (arms, units)."""
    iccs, mses = zip(*(_without_each(arm, form) for arm in terms), strict=True)
    return np.stack(iccs), np.stack(mses)


def _drawn(arm: "Terms", counts_RU: Floats, form: Form) -> tuple[Floats, Floats]:
    # A product an arm: its rounding then does not depend on which other arms there are.
    sums_5R = (counts_RU @ arm.table_5U.T).T
    sizes_R, squares_R = counts_RU @ arm.sizes_U, sums_5R[1] + sums_5R[3]
    return _scores(arm, sums_5R, sizes_R, lambda some: counts_RU[some], form, squares_R)


def _without_each(arm: "Terms", form: Form) -> tuple[Floats, Floats]:
    totals_51, units_U = arm.table_5U.sum(axis=1, keepdims=True), np.arange(arm.sizes_U.size)
    sizes_U, squares_U = arm.sizes_U.sum() - arm.sizes_U, np.repeat(totals_51[1] + totals_51[3], units_U.size)
    sums_5U = totals_51 - arm.table_5U
    return _scores(arm, sums_5U, sizes_U, lambda some: some[:, None] != units_U, form, squares_U)


def _scores(
    terms: "Terms",
    sums_5R: Floats,
    sizes_R: Floats,
    counts_of: Callable[[NDArray[np.intp]], NDArray[Any]],
    form: Form,
    squares_R: Floats,
) -> tuple[Floats, Floats]:
    """ICCs and MSEs (resamples,) of resamples whose scans add up to these sums.

    Args:
        sizes_R: Scans of each resample.
        counts_of: How often each unit was drawn in some of the resamples, (some, units).
        squares_R: As for `Terms.icc`.
    """
    iccs = np.empty(len(sizes_R))
    # Units that are single scans make resamples of one size.
    for size in np.unique(sizes_R):
        rows, m = np.flatnonzero(sizes_R == size), int(size)
        iccs[rows], unsure_R = terms.icc(sums_5R[:, rows], m, form, squares=squares_R[rows])
        for some in _pieces(rows[unsure_R], m):
            drawn_RM = terms.scans(counts_of(some))
            iccs[some] = _directly(terms.arm_M[drawn_RM], terms.labels_M[drawn_RM], form)
    with np.errstate(invalid="ignore", divide="ignore"):
        return iccs, sums_5R[4] / sizes_R


class Terms:
    """What each unit of an arm adds to the sums: `table_5U` holds, summed over the unit's scans, the mean of
    prediction and label, its square, half their difference, its square (both less their medians), and the
    error's square; `sizes_U` the number of its scans.
    """

    def __init__(self, arm_M: Floats, labels_M: Floats, unit_M: NDArray[np.intp] | None = None) -> None:
        self.arm_M, self.labels_M = arm_M, labels_M
        self.unit_M = np.arange(labels_M.size) if unit_M is None else unit_M
        self.sizes_U = np.bincount(self.unit_M).astype(np.float64)
        base = np.median(labels_M)
        mean_M = ((arm_M - base) + (labels_M - base)) / 2
        half_M = (arm_M - labels_M) / 2
        mean_M = mean_M - np.median(mean_M)
        self.shift = np.median(half_M)
        half_M = half_M - self.shift
        error_M = arm_M - labels_M
        with np.errstate(over="ignore", invalid="ignore"):
            table_5M = np.stack([mean_M, mean_M**2, half_M, half_M**2, error_M**2])
        if unit_M is not None:
            table_5M = np.stack([np.bincount(unit_M, row_M) for row_M in table_5M])
        self.table_5U = table_5M

    def scans(self, counts_RU: NDArray[Any]) -> NDArray[np.intp]:
        """Positions (resamples, scans drawn) of the scans of resamples that have equally many."""
        counts_RM = counts_RU[:, self.unit_M].astype(np.intp)
        everyone = np.broadcast_to(np.arange(self.unit_M.size), counts_RM.shape)
        return np.repeat(everyone.ravel(), counts_RM.ravel()).reshape(len(counts_RM), -1)

    def icc(
        self, sums_5R: Floats, m: int, form: Form, *, squares: Floats
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """ICCs (resamples,) of m scans each, and which of them these sums can't tell.

        `squares` is the size of the numbers that the variation is a difference of.
        """
        mean, mean_square, half, half_square, _ = sums_5R
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            scans = mean_square - mean**2 / m
            error = half_square - half**2 / m
            raters = 2 * m * (half / m + self.shift) ** 2
            unsure = ~(scans + error > VARIES * squares) | (m < _FEWEST)
            scans, error = 2 * np.maximum(scans, 0) / (m - 1), 2 * np.maximum(error, 0)
            within = (error + raters) / m
            squares_R = MeanSquares(scans, raters, error / (m - 1), within)
        return np.array(icc_from_squares(squares_R, m, 2, form, unsure)), unsure


def _directly(arm_RM: Floats, labels_RM: Floats, form: Form) -> Floats:
    # Less one of their own: of labels far from zero the mean would keep few digits.
    base_R1 = labels_RM[:, :1]
    return icc(arm_RM - base_R1, labels_RM - base_R1, form)


def drawn_counts(block_RM: NDArray[np.intp], scans: int) -> Floats:
    """How often each of the scans was drawn, (resamples, scans)."""
    r = len(block_RM)
    own = block_RM + scans * np.arange(r)[:, None]
    return np.bincount(own.ravel(), minlength=r * scans).reshape(r, scans).astype(np.float64)


def _pieces(places: NDArray[np.intp], scans: int) -> list[NDArray[np.intp]]:
    """Few enough of them that their scans, written out, make a block."""
    size = max(1, BLOCK // max(scans, 1))
    return [places[start : start + size] for start in range(0, places.size, size)]
