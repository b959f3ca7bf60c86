"""Agreement of thousands of resamples from a few sums over scans: no resample is ever written out.

An ICC of two raters needs four sums (of the scans' means and half differences, and of their squares),
an MSE one. Over resamples these are one matrix product, of how often each scan was drawn with the
scans' terms; with one scan left out they are the totals less that scan's terms. Differences of sums
lose digits where a resample varies far less than the whole sample does: such ones, rare, are computed
scan by scan instead, and with them all that are exactly constant, whose ICC is not defined.
"""

from collections.abc import Iterable, Sequence

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
    scores = [
        block_scores(terms, block_RM, drawn_counts(block_RM, labels_M.size), form) for block_RM in blocks
    ]
    iccs, mses = zip(*scores, strict=True)
    return np.concatenate(iccs, axis=1), np.concatenate(mses, axis=1)


def block_scores(
    terms: Sequence["Terms"], block_RM: NDArray[np.intp], counts_RM: Floats, form: Form
) -> tuple[Floats, Floats]:
    """`resampled` of one block, whose `drawn_counts` are known."""
    pairs = [_arm(arm, counts_RM, block_RM, form) for arm in terms]
    return np.stack([iccs for iccs, _ in pairs]), np.stack([mses for _, mses in pairs])


def left_out(arms_AM: Floats, labels_M: Floats, form: Form) -> tuple[Floats, Floats]:
    """ICC and MSE with the labels when one scan is left out, each (arms, scans)."""
    m = labels_M.size
    iccs, mses = np.empty((2, *arms_AM.shape))
    for arm, arm_M in enumerate(arms_AM):
        terms = Terms(arm_M, labels_M)
        totals = terms.table_5M.sum(axis=1, keepdims=True)
        sums_5M = totals - terms.table_5M
        iccs[arm], unsure_M = terms.icc(sums_5M, m - 1, form, squares=totals[1] + totals[3])
        mses[arm] = sums_5M[4] / (m - 1)
        for some in _pieces(np.flatnonzero(unsure_M), m):
            kept_RM = np.arange(m - 1) + (np.arange(m - 1) >= some[:, None])
            iccs[arm, some] = _directly(arm_M[kept_RM], labels_M[kept_RM], form)
    return iccs, mses


def _arm(terms: "Terms", counts_RM: Floats, block_RM: NDArray[np.intp], form: Form) -> tuple[Floats, Floats]:
    # A product an arm: its rounding then does not depend on which other arms there are.
    sums_5R = (counts_RM @ terms.table_5M.T).T
    m = block_RM.shape[1]
    iccs, unsure_R = terms.icc(sums_5R, m, form, squares=sums_5R[1] + sums_5R[3])
    for some in _pieces(np.flatnonzero(unsure_R), m):
        iccs[some] = _directly(terms.arm_M[block_RM[some]], terms.labels_M[block_RM[some]], form)
    return iccs, sums_5R[4] / m


class Terms:
    """What each scan of an arm adds to the sums: `table_5M` holds the scan's mean of prediction and
    label, its square, half their difference, its square (both less their medians), and the error's square.
    """

    def __init__(self, arm_M: Floats, labels_M: Floats) -> None:
        self.arm_M, self.labels_M = arm_M, labels_M
        base = np.median(labels_M)
        mean_M = ((arm_M - base) + (labels_M - base)) / 2
        half_M = (arm_M - labels_M) / 2
        mean_M = mean_M - np.median(mean_M)
        self.shift = np.median(half_M)
        half_M = half_M - self.shift
        error_M = arm_M - labels_M
        with np.errstate(over="ignore", invalid="ignore"):
            self.table_5M = np.stack([mean_M, mean_M**2, half_M, half_M**2, error_M**2])

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
