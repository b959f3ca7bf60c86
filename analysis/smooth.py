"""A smooth estimate of a mean with its uncertainty: Gaussian-process regression (scikit-learn).

The same estimate serves six trials and five hundred: with few the band is wide, with many at the
same place it narrows to the error of their mean.
"""

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

MOST = 250
"""Points that are fitted, spread evenly over the values: the work grows with their cube."""
FEWEST, FEWEST_PLACES = 6, 3
"""Points, and distinct places, below which nothing is smoothed."""


class Smoothed(NamedTuple):
    """Mean and its 95% limits, (Q,) each; the scatter of single points is not in them."""

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def smooth(
    x_PD: NDArray[np.float64], y_P: NDArray[np.float64], at_QD: NDArray[np.float64]
) -> Smoothed | None:
    """The mean of y given x at some places.

    A squared-exponential kernel with one length an axis and white noise, lengths and variances by
    maximum likelihood; lengths are kept above a fifth of the axis, so that the curve cannot follow
    single points.

    Args:
        x_PD: (P, D) finite places.
        y_P: (P,) finite values.
        at_QD: (Q, D) places to estimate at.

    Returns:
        None where fewer than `FEWEST` points or `FEWEST_PLACES` places an axis make it guesswork.
    """
    if len(x_PD) < FEWEST or min(len(np.unique(axis)) for axis in x_PD.T) < FEWEST_PLACES:
        return None
    # It takes a second to load, and a report of a study without trials to smooth does not need it.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    order = np.lexsort((y_P, *x_PD.T))
    kept = order[np.unique(np.linspace(0, len(order) - 1, min(len(order), MOST)).round().astype(int))]
    low, span = x_PD[kept].min(axis=0), np.ptp(x_PD[kept], axis=0)
    centre, spread = y_P[kept].mean(), y_P[kept].std() or 1.0
    signal = ConstantKernel(1.0, (0.5, 1e2)) * RBF(np.full(x_PD.shape[1], 0.5), (0.2, 10.0))
    model = GaussianProcessRegressor(signal + WhiteKernel(0.3, (0.1, 10.0)))
    with warnings.catch_warnings():
        # A length at its bound is an answer: the curve is as smooth, or as rough, as it may be.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit((x_PD[kept] - low) / span, (y_P[kept] - centre) / spread)
        mean, sd = model.predict((at_QD - low) / span, return_std=True)
    noise = float(model.kernel_.k2.noise_level)
    # Three variances and lengths are fitted as well: with few points that is what makes a band too narrow.
    wide = stats.t.ppf(0.975, len(kept) - 3) * np.sqrt(np.clip(sd**2 - noise, 0, None))
    return Smoothed(*(centre + spread * line for line in (mean, mean - wide, mean + wide)))
