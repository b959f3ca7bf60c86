"""The F-based interval of an ICC: exact or nearly so for normal scores, far off for skewed ones.

Sources: Shrout and Fleiss (1979), McGraw and Wong (1996).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from analysis.bootstrap import NOWHERE, Interval
from study.agreement import Floats, Form, MeanSquares, icc_from_ratings, mean_squares


def icc_interval_from_ratings(ratings_MK: ArrayLike, form: Form = "A,1", level: float = 0.95) -> Interval:
    """F-based interval of the ICC of any number of raters.

    Args:
        ratings_MK: (scans, raters), in the same unit.
        form: See `study.agreement.icc_from_ratings`.
        level: Coverage asked for, in (0, 1).

    Returns:
        Within [-1, 1]; NaN where the ICC is not defined.

    Raises:
        ValueError: A level outside (0, 1).
    """
    check_level(level)
    ratings = np.asarray(ratings_MK, dtype=np.float64)
    estimate = float(icc_from_ratings(ratings, form))
    if np.isnan(estimate):
        return NOWHERE
    m, k = ratings.shape
    squares = mean_squares(ratings)
    if form == "A,1":
        return _agreement_interval(squares, estimate, m, k, level)
    spread, df = (squares.within, m * (k - 1)) if form == "1" else (squares.error, (m - 1) * (k - 1))
    upper = (1 + level) / 2
    f = spread * np.array([special.fdtri(m - 1, df, upper), 1 / special.fdtri(df, m - 1, upper)])
    return _within_bounds((squares.scans - f) / (squares.scans + (k - 1) * f))


def check_level(level: float) -> None:
    """Raises ValueError for a level outside (0, 1)."""
    if not 0 < level < 1:
        raise ValueError(f"`level` must lie in (0, 1), but got {level}")


def _agreement_interval(squares: MeanSquares, estimate: float, m: int, k: int, level: float) -> Interval:
    raters = k * estimate * squares.raters
    rest = (m * (1 + (k - 1) * estimate) - k * estimate) * squares.error
    spread = raters**2 / (k - 1) + rest**2 / ((m - 1) * (k - 1))
    df = float((raters + rest) ** 2 / spread) if spread > 0 else 1.0
    if not df > 0:
        return NOWHERE
    upper = (1 + level) / 2
    f = np.array([special.fdtri(m - 1, df, upper), 1 / special.fdtri(df, m - 1, upper)])
    both = k * squares.raters + (k * m - k - m) * squares.error
    limits = m * (squares.scans - f * squares.error) / (f * both + m * squares.scans)
    return _within_bounds(limits)


def _within_bounds(limits: Floats) -> Interval:
    low, high = np.clip(limits, -1, 1)
    return Interval(float(low), float(high))
