"""From a statistic, its resamples and its values without each scan to an interval.

Every method takes the same `Estimate`, so that one set of resamples gives all of them. `studentised` and
`symmetric` resample the statistic over its standard error (Efron 1982; Hall 1988): of skewed labels the
two grow together, which quantiles of the statistic alone don't see.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

from analysis.resampling import strata_positions
from study.agreement import Floats

Strata = Sequence[object] | None


class Interval(NamedTuple):
    """Lower and upper limit; both NaN where no interval is defined."""

    low: float
    high: float


NOWHERE = Interval(float("nan"), float("nan"))


class Estimate(NamedTuple):
    """A statistic of a sample and what an interval of it is made from."""

    value: float
    error: float
    """Its standard error."""
    left_out: Floats
    """(units,) The statistic without each unit, a scan or a person's scans, in turn (the jackknife)."""
    values: Floats
    """(resamples,) The statistic of each resample."""
    errors: Floats
    """(resamples,) Its standard error in each resample."""


def percentile_interval(estimate: Estimate, level: float, strata: Strata = None) -> Interval:
    """The middle `level` of the resamples' values."""
    return _quantiles(estimate.values, _tails(level))


def bca_interval(estimate: Estimate, level: float, strata: Strata = None) -> Interval:
    """Percentiles shifted for bias and for a spread that changes with the value (Efron 1987).

    Args:
        strata: One stratum a scan, if the resamples were drawn within them.

    Returns:
        NaN where the statistic is not defined without some scan, or in a tenth of the resamples.
    """
    defined = estimate.values[np.isfinite(estimate.values)]
    if defined.size == 0:
        return NOWHERE
    gaps = defined - estimate.value
    # A resample that is the sample in another order is equal to it up to rounding: half of those count.
    rounding = 1e-9 * np.abs(gaps).max()
    bias = special.ndtri((np.mean(gaps < -rounding) + np.mean(gaps <= rounding)) / 2)
    z = bias + special.ndtri(np.array(_tails(level)))
    with np.errstate(invalid="ignore", divide="ignore"):
        low, high = special.ndtr(bias + z / (1 - _acceleration(estimate.left_out, strata) * z))
    return _quantiles(estimate.values, (float(low), float(high)))


def studentised_interval(estimate: Estimate, level: float, strata: Strata = None) -> Interval:
    """Quantiles of (value - estimate) / error over resamples, times the sample's own error."""
    if _pointlike(estimate):
        return Interval(estimate.value, estimate.value)
    low, high = _quantiles(_studentised(estimate), _tails(level))
    return Interval(estimate.value - high * estimate.error, estimate.value - low * estimate.error)


def symmetric_interval(estimate: Estimate, level: float, strata: Strata = None) -> Interval:
    """As `studentised_interval`, of the ratio's size: as far below the estimate as above (Hall 1988)."""
    if _pointlike(estimate):
        return Interval(estimate.value, estimate.value)
    reach = _quantiles(np.abs(_studentised(estimate)), (0.0, level)).high * estimate.error
    return Interval(estimate.value - reach, estimate.value + reach)


def jackknife_interval(estimate: Estimate, level: float, strata: Strata = None) -> Interval:
    """Student's t times the jackknife's standard error about the estimate; no resamples are used.

    NaN where the statistic is not defined without some scan.
    """
    if not np.isfinite(estimate.left_out).all():
        return NOWHERE
    error, freedom = 0.0, 0
    for members in strata_positions(estimate.left_out.size, strata):
        mine = estimate.left_out[members]
        error += float(np.square(mine - mine.mean()).sum()) * (mine.size - 1) / mine.size
        freedom += mine.size - 1
    if freedom < 1:
        return NOWHERE
    reach = float(special.stdtrit(freedom, (1 + level) / 2) * np.sqrt(error))
    return Interval(estimate.value - reach, estimate.value + reach)


METHODS: dict[str, Callable[[Estimate, float, Strata], Interval]] = {
    "percentile": percentile_interval,
    "bca": bca_interval,
    "studentised": studentised_interval,
    "symmetric": symmetric_interval,
    "jackknife": jackknife_interval,
}
"""What makes an interval from an `Estimate`, a level and the strata, by name."""


def fisher_scale(correlation: Estimate) -> Estimate:
    """A correlation's estimate as Fisher's z, whose spread depends less on its value (Fisher 1925)."""
    value, left, values = correlation.value, correlation.left_out, correlation.values
    with np.errstate(invalid="ignore", divide="ignore"):
        return Estimate(
            float(np.arctanh(value)),
            float(correlation.error / (1 - np.float64(value) ** 2)),
            np.arctanh(left),
            np.arctanh(values),
            correlation.errors / (1 - values**2),
        )


def _pointlike(estimate: Estimate) -> bool:
    # An arm against itself, or perfect agreement: no resample differs.
    values = estimate.values[np.isfinite(estimate.values)]
    return bool(values.size and estimate.error == 0 and (values == estimate.value).all())


def _studentised(estimate: Estimate) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios: Floats = (estimate.values - estimate.value) / estimate.errors
    return ratios


def _acceleration(left_out: Floats, strata: Strata) -> float:
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
    # What np.quantile gives, in a fraction of its time.
    low, high = np.interp(np.array(tails) * (defined.size - 1), np.arange(defined.size), np.sort(defined))
    return Interval(float(low), float(high))
