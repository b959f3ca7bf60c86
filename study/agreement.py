"""Agreement between predictions and labels: intraclass correlations, MSE and MAE in closed form.

All functions take scans on the last axis and work over any leading axes at once, so that thousands
of bootstrap resamples are one call. Where a value is not defined it is NaN, never a number that
looks like one. Formulas: Shrout and Fleiss (1979); names of the forms: McGraw and Wong (1996).
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Form = Literal["1", "A,1", "C,1"]


class MeanSquares(NamedTuple):
    """Mean squares of a two-way layout, one value per leading index, in squared label units."""

    scans: Floats
    """Between scans, scans - 1 degrees of freedom."""
    raters: Floats
    """Between raters, raters - 1 degrees of freedom."""
    error: Floats
    """Residual, (scans - 1)(raters - 1) degrees of freedom."""
    within: Floats
    """Within scans (raters and residual together), scans (raters - 1) degrees of freedom."""


def mean_squares(ratings_MK: ArrayLike) -> MeanSquares:
    """Mean squares of ratings (..., scans, raters); NaN with fewer than two scans or raters."""
    ratings = np.asarray(ratings_MK, dtype=np.float64)
    m, k = ratings.shape[-2:]
    if m < 2 or k < 2:
        return MeanSquares(*(np.full(ratings.shape[:-2], np.nan)[()] for _ in range(4)))
    with np.errstate(invalid="ignore", over="ignore"):
        centred = ratings - ratings.mean((-2, -1), keepdims=True)
        by_scan = centred.mean(-1, keepdims=True)
        by_rater = centred.mean(-2, keepdims=True)
        scans = k * np.square(by_scan).sum((-2, -1)) / (m - 1)
        raters = m * np.square(by_rater).sum((-2, -1)) / (k - 1)
        error = np.square(centred - by_scan - by_rater).sum((-2, -1)) / ((m - 1) * (k - 1))
        within = np.square(centred - by_scan).sum((-2, -1)) / (m * (k - 1))
    return MeanSquares(scans, raters, error, within)


def icc_from_ratings(ratings_MK: ArrayLike, form: Form = "A,1") -> Floats:
    """Single-rating intraclass correlation of any number of raters.

    Args:
        ratings_MK: (..., scans, raters).
        form: `1` one-way random, ICC(1,1); `A,1` two-way, absolute agreement, ICC(2,1);
            `C,1` two-way, consistency, ICC(3,1) (in brackets Shrout and Fleiss's names).

    Returns:
        (...), at most 1. At least -1 / (raters - 1), but for `A,1`, whose estimate can fall below
        that where few scans disagree almost perfectly. NaN where there is nothing to agree about:
        fewer than two scans or raters, a NaN or infinity, no rater who tells any two scans apart,
        or an estimate of the total variance that is not positive. If only some raters are
        constant the value is defined (zero for `A,1` and `C,1` with two raters).

    Raises:
        ValueError: Another form.
    """
    ratings = np.asarray(ratings_MK, dtype=np.float64)
    m, k = ratings.shape[-2:]
    constant = np.asarray(_constant(np.swapaxes(ratings, -1, -2)).all(-1))
    return icc_from_squares(mean_squares(ratings), m, k, form, constant)


def icc(x: ArrayLike, y: ArrayLike, form: Form = "A,1") -> Floats:
    """Intraclass correlation of two raters, such as predictions and labels.

    Args:
        x, y: (..., scans), broadcast against each other, in the same unit.
        form: See `icc_from_ratings`, which also says when the value is NaN.

    Returns:
        (...), at most 1.
    """
    x_M, y_M = np.asarray(x, np.float64), np.asarray(y, np.float64)
    m = np.broadcast_shapes(x_M.shape, y_M.shape)[-1]
    return icc_from_squares(_pair_squares(x_M, y_M), m, 2, form, np.asarray(_constant(x_M) & _constant(y_M)))


def _pair_squares(x_M: Floats, y_M: Floats) -> MeanSquares:
    """`mean_squares` of two raters from the scans' means and half differences: no third array."""
    mean, half = (x_M + y_M) / 2, (x_M - y_M) / 2
    m = mean.shape[-1]
    if m < 2:
        return MeanSquares(*(np.full(mean.shape[:-1], np.nan)[()] for _ in range(4)))
    with np.errstate(invalid="ignore", over="ignore"):
        shift = half.mean(-1, keepdims=True)
        raters = 2 * m * np.square(shift[..., 0])
        error = 2 * np.square(half - shift).sum(-1)
        scans = 2 * np.square(mean - mean.mean(-1, keepdims=True)).sum(-1)
    return MeanSquares(scans / (m - 1), raters, error / (m - 1), (error + raters) / m)


def icc_from_squares(squares: MeanSquares, m: int, k: int, form: Form, constant: NDArray[np.bool_]) -> Floats:
    """The ICC of m scans and k raters from their mean squares; NaN where all raters are `constant`."""
    if form not in ("1", "A,1", "C,1"):
        raise ValueError(f'`form` must be "1", "A,1" or "C,1", but got {form!r}')
    spread = squares.within if form == "1" else squares.error
    with np.errstate(invalid="ignore", divide="ignore"):
        total = squares.scans + (k - 1) * spread
        nothing = constant
        if form == "A,1" and m > 1:
            # Of two scans that two raters order oppositely only rounding errors would be left.
            rounding = 1e-12 * total
            total = total + k * (squares.raters - squares.error) / m
            nothing = constant | (total <= rounding)
        value = (squares.scans - spread) / total
    return np.where(nothing, np.nan, value)[()]


def mse(x: ArrayLike, y: ArrayLike) -> Floats:
    """Mean squared error over scans, (..., scans) -> (...), squared label units; NaN without scans."""
    return _mean(np.square(np.asarray(x, np.float64) - np.asarray(y, np.float64)))


def mae(x: ArrayLike, y: ArrayLike) -> Floats:
    """Mean absolute error over scans, (..., scans) -> (...), label units; NaN without scans."""
    return _mean(np.abs(np.asarray(x, np.float64) - np.asarray(y, np.float64)))


def _mean(values_M: Floats) -> Floats:
    if values_M.shape[-1] == 0:
        return np.full(values_M.shape[:-1], np.nan)[()]
    mean: Floats = values_M.mean(-1)
    return mean


def _constant(values_M: Floats) -> NDArray[np.bool_]:
    # Compared exactly: the mean of equal numbers is not always that number, and a ratio of two
    # rounding errors would pass for a correlation.
    return np.asarray((values_M == values_M[..., :1]).all(-1))
