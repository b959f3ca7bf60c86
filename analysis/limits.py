"""Bland and Altman's limits of agreement: how far a prediction may lie from the label of a scan."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from analysis.bootstrap import NOWHERE, Interval

WITHIN = float(special.ndtri(0.975))
"""SDs either side of the mean difference that hold 95% of normal differences."""


class LimitsOfAgreement(NamedTuple):
    """Mean difference and limits, each with its confidence interval, in label units."""

    bias: float
    bias_interval: Interval
    lower: float
    lower_interval: Interval
    upper: float
    upper_interval: Interval


def limits_of_agreement(predictions: ArrayLike, labels: ArrayLike, level: float = 0.95) -> LimitsOfAgreement:
    """Between which limits 95% of the differences prediction minus label lie, were they normal.

    The limits' own intervals are the approximate ones of Bland and Altman (1999): a limit's variance
    is s² (1/n + 1.96² / (2 (n - 1))), its quantiles are those of t with n - 1 degrees of freedom.
    Errors that grow with the label are not normal differences: look at the figure.

    Args:
        predictions, labels: (scans,), in the same unit.
        level: Coverage asked for of the intervals, in (0, 1).

    Returns:
        With a single scan the mean difference only, the rest NaN; NaN throughout without scans.

    Raises:
        ValueError: A level outside (0, 1).
    """
    if not 0 < level < 1:
        raise ValueError(f"`level` must lie in (0, 1), but got {level}")
    differences = np.asarray(predictions, np.float64) - np.asarray(labels, np.float64)
    n, nothing = differences.size, float("nan")
    bias = float(differences.mean()) if n else nothing
    if n < 2:
        return LimitsOfAgreement(bias, NOWHERE, nothing, NOWHERE, nothing, NOWHERE)
    spread = float(differences.std(ddof=1))
    t = float(special.stdtrit(n - 1, (1 + level) / 2))
    of_bias = t * spread / np.sqrt(n)
    of_limit = t * spread * np.sqrt(1 / n + WITHIN**2 / (2 * (n - 1)))
    lower, upper = bias - WITHIN * spread, bias + WITHIN * spread
    return LimitsOfAgreement(
        *(bias, _around(bias, of_bias)),
        *(lower, _around(lower, of_limit)),
        *(upper, _around(upper, of_limit)),
    )


def _around(value: float, half_width: float) -> Interval:
    return Interval(float(value - half_width), float(value + half_width))
