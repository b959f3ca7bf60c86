"""Two dependent Pearson correlations that share a variable: Williams' test and Zou's interval."""

import numpy as np
from scipy import special

from analysis.bootstrap import NOWHERE, Interval
from analysis.closed_form import check_level


def williams(r12: float, r13: float, r23: float, n: int) -> tuple[float, float]:
    """Williams' test of two dependent correlations that share a variable, r12 against r13.

    Source: Williams (1959) as given by Steiger (1980), equation 7. Meant for Pearson correlations;
    with ICCs plugged in, as in the paper, it is approximate.

    Args:
        r12, r13: The correlations compared, of arms 2 and 3 with the labels 1.
        r23: The correlation of the arms with each other.
        n: Scans.

    Returns:
        t with n - 3 degrees of freedom (positive where r12 is larger) and its two-sided p. NaN with
        fewer than four scans, or where the three values cannot be correlations of one sample or the
        two arms coincide.
    """
    determinant = 1 - r12**2 - r13**2 - r23**2 + 2 * r12 * r13 * r23
    mean = (r12 + r13) / 2
    if n < 4 or not np.isfinite(determinant) or determinant < 0:
        return float("nan"), float("nan")
    scale = 2 * determinant * (n - 1) / (n - 3) + mean**2 * (1 - r23) ** 3
    if scale <= 0:
        return float("nan"), float("nan")
    t = float((r12 - r13) * np.sqrt((n - 1) * (1 + r23) / scale))
    return t, float(2 * special.stdtr(n - 3, -abs(t)))


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
    check_level(level)
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
