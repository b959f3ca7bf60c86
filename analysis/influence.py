"""How much each unit moves an ICC or an MSE, and from that the standard error of either in every resample.

A unit is a scan, or all scans of one person.
The influence of a scan is the derivative of the statistic by the weight of that scan (the infinitesimal
jackknife; Efron 1982, chapter 6; Davison and Hinkley 1997, section 2.7). An ICC of two raters is a ratio
of sums of squares, so its influences are a quadratic of the scan's mean and half difference, whose
coefficients come from a few sums over scans: those of thousands of resamples are one matrix product.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.moments import VARIES, Terms
from study.agreement import Floats, Form


def icc_influences(terms: Terms, counts_RU: Floats, form: Form) -> Floats:
    """Influence of every unit on the ICC of every resample, (resamples, units).

    Over the units of a resample they sum to zero. Not finite where the
    resample has no ICC or hardly varies.

    Args:
        terms: Of one arm.
        counts_RU: How often each unit was drawn.
    """
    table_4U = terms.table_5U[:4]
    m = counts_RU @ terms.sizes_U
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        mean, mean_square, half, half_square = (counts_RU @ table_4U.T).T / m
        scans, error, shift = mean_square - mean**2, half_square - half**2, half + terms.shift
        # ICC = (scans - a error - b shift^2) / (scans + c error + d shift^2), of variances by 1 / scans.
        a, b, c, d = _weights(m, form)
        total = scans + c * error + d * shift**2
        # What varies too little for these sums has no influence that they could tell.
        total[~(scans + error > VARIES * (mean_square + half_square))] = np.nan
        icc = (scans - a * error - b * shift**2) / total
        by_scans, by_error, by_shift = 1 - icc, -(a + c * icc), -2 * shift * (b + d * icc)
        constant = by_scans * (mean**2 - scans) + by_error * (half**2 - error) - by_shift * half
        factors_R4 = np.stack(
            [-2 * by_scans * mean, by_scans, by_shift - 2 * by_error * half, by_error], axis=1
        )
        influences: Floats = (factors_R4 @ table_4U + constant[:, None] * terms.sizes_U) / total[:, None]
    return influences


def mse_influences(terms: Terms, counts_RU: Floats) -> Floats:
    """The same on the MSE; (units,) and not less their mean where every unit is one scan."""
    if terms.sizes_U.size == terms.unit_M.size:
        squares_U: Floats = terms.table_5U[4]
        return squares_U
    mse_R = counts_RU @ terms.table_5U[4] / (counts_RU @ terms.sizes_U)
    influences: Floats = terms.table_5U[4] - mse_R[:, None] * terms.sizes_U
    return influences


def standard_errors(
    influences_RM: Floats,
    counts_RM: Floats,
    strata: Sequence[NDArray[np.intp]],
    sizes: Floats | None = None,
) -> Floats:
    """Standard error of a statistic in every resample, (resamples,), from its influences.

    Args:
        influences_RM: (resamples, units), or (units,) where they are the same in every resample.
        counts_RM: How often each unit was drawn.
        strata: Positions of the units of each stratum; the resamples were drawn within them.
        sizes: Scans of each unit; one by default.
    """
    variance_R = np.zeros(len(counts_RM))
    for members in strata:
        # One stratum of all scans is the usual case: no copies then.
        every = len(members) == counts_RM.shape[1]
        weights = counts_RM if every else counts_RM[:, members]
        values = influences_RM if every else influences_RM[..., members]
        with np.errstate(invalid="ignore", over="ignore"):
            sums, squares = _weighted_sums(weights, values)
            spread = np.maximum(squares - sums**2 / len(members), 0)
            variance_R += spread * len(members) / max(len(members) - 1, 1)
    errors: Floats = np.sqrt(variance_R) / (counts_RM.shape[1] if sizes is None else counts_RM @ sizes)
    return errors


def _weighted_sums(weights_RM: Floats, values_RM: Floats) -> tuple[Floats, Floats]:
    if values_RM.ndim == 1:
        return weights_RM @ values_RM, weights_RM @ values_RM**2
    weighted = weights_RM * values_RM
    return weighted.sum(axis=1), np.einsum("rm,rm->r", weighted, values_RM)


def _weights(m: Floats, form: Form) -> tuple[Floats | float, ...]:
    if form == "A,1":
        return 1, 0, 1 - 2 / m, 2 * (m - 1) / m
    if form == "C,1":
        return 1, 0, 1, 0
    return (m - 1) / m, (m - 1) / m, (m - 1) / m, (m - 1) / m
