"""Uncertainty of agreement and of differences between arms, with scans, or groups of scans, as the units.

Average predictions over seeds before anything here: seeds are never counted as scans.

No interval for an ICC covers what it promises on few scans with skewed labels: the F-based one assumes
normal scores, and bootstraps cannot see the tail that a small sample lacks. `analysis.calibration` measures
how often each method holds the truth; `analysis.coverage` tells it beside every interval shown.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from analysis.bootstrap import (
    METHODS,
    NOWHERE,
    Estimate,
    Interval,
    Strata,
    fisher_scale,
    studentised_interval,
)
from analysis.closed_form import check_level, icc_interval_from_ratings
from analysis.correlations import williams, zou_interval
from analysis.coverage import DIFFERENCES, default_method
from analysis.estimates import estimates
from analysis.pairing import paired
from analysis.permutation import SwapTest, swap_permutation
from analysis.resampling import count_units, draw_resamples, strata_of_units, units_of
from study.agreement import Floats, Form, icc, icc_from_ratings, mse

__all__ = [
    "ICC_METHODS",
    "Interval",
    "PairedDifference",
    "SwapTest",
    "holm",
    "icc_interval",
    "icc_interval_from_ratings",
    "mse_interval",
    "paired_bootstrap",
    "swap_permutation",
    "williams",
    "zou_interval",
]

ICC_METHODS = ("F", *METHODS, "fisher", "fisher_studentised")
"""Methods of `icc_interval`; all but `F` are of `analysis.bootstrap.METHODS`, the last two on Fisher's z:
`fisher` by the jackknife's standard error, `fisher_studentised` by resampling."""


def icc_interval(
    x: ArrayLike,
    y: ArrayLike,
    form: Form = "A,1",
    level: float = 0.95,
    method: str = "F",
    *,
    generator: np.random.Generator | None = None,
    resamples: int = 9999,
    strata: Strata = None,
    groups: Sequence[object] | None = None,
) -> Interval:
    """Confidence interval of the ICC of two raters over scans.

    On small samples with skewed labels every method covers less than `level`; see the module's text.

    Args:
        x, y: (scans,), in the same unit.
        form: See `study.agreement.icc_from_ratings`.
        level: Coverage asked for, in (0, 1).
        method: One of `ICC_METHODS`. `F` is closed and assumes normal scores, the others resample
            scans or leave them out, and need `generator`.
        resamples: Bootstrap resamples.
        strata: One stratum a scan (its site) to resample within; bootstraps only.
        groups: One a scan; the scans of a group are drawn and left out together; not for `F`.

    Returns:
        Within [-1, 1]; NaN where the ICC is not defined or, for bootstraps, with
        fewer than three groups or a constant rater.

    Raises:
        ValueError: A level outside (0, 1), another method, or a bootstrap without a generator.
    """
    ratings_MK = np.stack([np.asarray(x, np.float64), np.asarray(y, np.float64)], axis=-1)
    if method == "F":
        return icc_interval_from_ratings(ratings_MK, form, level)
    if method not in ICC_METHODS or generator is None:
        raise ValueError(
            f"`method` must be one of {', '.join(ICC_METHODS)} (all but F with a generator), "
            f"but got {method!r}"
        )
    check_level(level)
    constant = (ratings_MK == ratings_MK[:1]).all(0).any()
    unit_M = units_of(groups)
    units, strata = count_units(unit_M, len(ratings_MK)), strata_of_units(strata, unit_M)
    if units < 3 or constant or np.isnan(icc_from_ratings(ratings_MK, form)):
        return NOWHERE
    blocks = draw_resamples(units, resamples, generator, strata)
    (scores,) = estimates(ratings_MK[:, 0][None], ratings_MK[:, 1], blocks, [[1]], form, strata, unit_M)
    return icc_limits(scores.icc, method, level, strata)


def icc_limits(estimate: Estimate, method: str, level: float, strata: Strata = None) -> Interval:
    """The interval of an ICC's estimate, by any of `ICC_METHODS` but `F`."""
    if method.startswith("fisher"):
        by = "jackknife" if method == "fisher" else "studentised"
        low, high = np.tanh(METHODS[by](fisher_scale(estimate), level, strata))
    else:
        low, high = np.clip(METHODS[method](estimate, level, strata), -1, 1)
    return Interval(float(low), float(high))


def mse_interval(
    predictions: ArrayLike,
    labels: ArrayLike,
    *,
    generator: np.random.Generator,
    level: float = 0.95,
    resamples: int = 9999,
    groups: Sequence[object] | None = None,
) -> Interval:
    """Studentised bootstrap interval of a mean squared error, at least 0; `groups` as in `icc_interval`.

    Returns:
        In squared label units; NaN with fewer than three groups.
    """
    x, y = (np.asarray(values, np.float64) for values in (predictions, labels))
    unit_M = units_of(groups)
    units = count_units(unit_M, y.size)
    if units < 3:
        return NOWHERE
    blocks = draw_resamples(units, resamples, generator)
    (scores,) = estimates(x[None], y, blocks, [[1]], "A,1", None, unit_M)
    low, high = studentised_interval(scores.mse, level)
    return Interval(float(np.maximum(low, 0)), high)


class PairedDifference(NamedTuple):
    """First arm minus second on the same scans: ICC (above 0: first better), MSE (below 0: first better)."""

    icc: float
    icc_interval: Interval
    mse: float
    mse_interval: Interval


def paired_bootstrap(
    first: ArrayLike,
    second: ArrayLike,
    labels: ArrayLike,
    *,
    generator: np.random.Generator,
    strata: Strata = None,
    form: Form = "A,1",
    level: float = 0.95,
    method: str | None = None,
    resamples: int = 9999,
    groups: Sequence[object] | None = None,
) -> PairedDifference:
    """Differences in ICC and MSE of two arms, with intervals from resampling scans.

    Args:
        first, second, labels: (scans,), the same scans in the same order and unit.
        strata: One stratum a scan (its site) to resample within.
        method: One of `analysis.bootstrap.METHODS`; the one with the best measured coverage by default.
        groups: One a scan; the scans of a group are drawn and left out together.

    Returns:
        Both differences; an interval is NaN with fewer than three groups, and one of the ICC ends where
        differences of ICCs do, at 2 either way.

    Raises:
        ValueError: A level outside (0, 1), another method, or shapes that differ.
    """
    check_level(level)
    method = method or default_method(*DIFFERENCES)
    if method not in METHODS:
        raise ValueError(f"`method` must be one of {', '.join(METHODS)}, but got {method!r}")
    pair_2M, labels_M = paired(first, second, labels)
    unit_M = units_of(groups)
    units, strata = count_units(unit_M, labels_M.size), strata_of_units(strata, unit_M)
    if units < 3:
        gaps = [
            float(scores[0] - scores[1]) for scores in (icc(pair_2M, labels_M, form), mse(pair_2M, labels_M))
        ]
        return PairedDifference(gaps[0], NOWHERE, gaps[1], NOWHERE)
    blocks = draw_resamples(units, resamples, generator, strata)
    (gap,) = estimates(pair_2M, labels_M, blocks, [[1, -1]], form, strata, unit_M)
    low, high = np.clip(METHODS[method](gap.icc, level, strata), -2, 2)
    return PairedDifference(
        gap.icc.value,
        Interval(float(low), float(high)),
        gap.mse.value,
        METHODS[method](gap.mse, level, strata),
    )


def holm(p_values: ArrayLike) -> Floats:
    """Holm's adjustment of p values, in their order; NaNs stay and do not count (Holm 1979)."""
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full_like(p, np.nan)
    order = [i for i in np.argsort(p) if np.isfinite(p[i])]
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, p[i] * (len(order) - rank)))
        adjusted[i] = largest
    return adjusted
