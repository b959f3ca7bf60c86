"""Dependent Pearson correlations that share a variable: how large their difference may be."""

import numpy as np
from scipy import special

from analysis.bootstrap import NOWHERE, Interval


def zou_interval(r12: float, r13: float, r23: float, n: int, level: float = 0.95) -> Interval:
    """Confidence interval of r12 - r13, two Pearson correlations with the same variable 1.

    Each correlation's own Fisher interval is kept, so that the result need not be symmetric, and the
    two are combined by the correlation of the estimates. Source: Zou (2007), section on overlapping
    correlations. Assumes normal variables. Of two arms that coincide the limits are not zero, as
    Fisher's intervals are not symmetric.

    Args:
        r12, r13: The correlations compared, of arms 2 and 3 with the labels 1.
        r23: The correlation of the arms with each other.
        n: Scans.
        level: Coverage asked for, in (0, 1).

    Returns:
        Low and high, within [-2, 2]; NaN with fewer than four scans, or where the three values cannot
        be correlations of one sample or r12 or r13 is -1 or 1.

    Raises:
        ValueError: A level outside (0, 1).
    """
    if not 0 < level < 1:
        raise ValueError(f"`level` must lie in (0, 1), but got {level}")
    determinant = 1 - r12**2 - r13**2 - r23**2 + 2 * r12 * r13 * r23
    if n < 4 or not np.isfinite(determinant) or determinant < 0 or max(abs(r12), abs(r13)) >= 1:
        return NOWHERE
    half_width = special.ndtri((1 + level) / 2) / np.sqrt(n - 3)
    low12, high12 = np.tanh(np.arctanh(r12) + np.array([-half_width, half_width]))
    low13, high13 = np.tanh(np.arctanh(r13) + np.array([-half_width, half_width]))
    shared = (r23 - r12 * r13 / 2) * (1 - r12**2 - r13**2 - r23**2) + r23**3
    together = shared / ((1 - r12**2) * (1 - r13**2))
    below = _distance(r12 - low12, high13 - r13, together)
    above = _distance(high12 - r12, r13 - low13, together)
    return Interval(r12 - r13 - below, r12 - r13 + above)


def _distance(one: float, other: float, together: float) -> float:
    # Of two arms that nearly coincide the sum is zero but for rounding, which may take it below.
    return float(np.sqrt(max(one**2 + other**2 - 2 * together * one * other, 0)))
