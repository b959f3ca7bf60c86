"""From a statistic's values over bootstrap resamples to an interval: percentile, or BCa (Efron 1987)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

from analysis.resampling import strata_positions
from study.agreement import Floats


class Interval(NamedTuple):
    """Lower and upper limit; both NaN where no interval is defined."""

    low: float
    high: float


NOWHERE = Interval(float("nan"), float("nan"))


def percentile_interval(values: Floats, level: float) -> Interval:
    """The middle `level` of the resamples' values."""
    return _quantiles(values, _tails(level))


def bca_interval(
    values: Floats, estimate: float, left_out: Floats, level: float, strata: Sequence[object] | None = None
) -> Interval:
    """Percentiles shifted for bias and for a spread that changes with the value.

    Args:
        values: The statistic over resamples.
        estimate: The statistic of the sample.
        left_out: The statistic without each of the scans in turn (the jackknife).
        strata: One stratum a scan, if the resamples were drawn within them.

    Returns:
        NaN where the statistic is not defined without some scan, or in a tenth of the resamples.
    """
    defined = values[np.isfinite(values)]
    if defined.size == 0:
        return NOWHERE
    gaps = defined - estimate
    # A resample that is the sample in another order is equal to it up to rounding: half of those count.
    rounding = 1e-9 * np.abs(gaps).max()
    bias = special.ndtri((np.mean(gaps < -rounding) + np.mean(gaps <= rounding)) / 2)
    z = bias + special.ndtri(np.array(_tails(level)))
    with np.errstate(invalid="ignore", divide="ignore"):
        low, high = special.ndtr(bias + z / (1 - _acceleration(left_out, strata) * z))
    return _quantiles(values, (float(low), float(high)))


def _acceleration(left_out: Floats, strata: Sequence[object] | None) -> float:
    """A sixth of the skewness of the scans' influences, which within each stratum sum to zero
    (Davison and Hinkley 1997, section 5.3)."""
    shares = np.empty_like(left_out)
    for members in strata_positions(left_out.size, strata):
        mine = left_out[members]
        shares[members] = (mine.mean() - mine) * (mine.size - 1) / mine.size
    # Where no scan has influence, as on the difference of an arm with itself, there is no skewness.
    spread = (shares**2).sum() ** 1.5
    return 0.0 if spread == 0 else float((shares**3).sum() / (6 * spread))


def _tails(level: float) -> tuple[float, float]:
    return (1 - level) / 2, (1 + level) / 2


def _quantiles(values: Floats, tails: tuple[float, float]) -> Interval:
    # A resample of one scan repeated has no ICC; where that is common, neither is there an interval.
    defined = values[np.isfinite(values)]
    if defined.size < 0.9 * values.size or not np.isfinite(tails).all():
        return NOWHERE
    low, high = np.quantile(defined, tails)
    return Interval(float(low), float(high))
