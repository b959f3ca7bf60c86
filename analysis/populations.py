"""Populations with a known ICC, from which calibration draws studies of a few dozen scans.

Labels have mean 0 or more and variance 1. An arm's prediction is the label plus an error that is
independent of it but, where errors grow, as large as the label is. Both arms have the same ICC(A,1) and
MSE: a biased arm, off by `BIAS` on every scan, scatters less. Half of the variance of the errors is
common to both arms, as with regressors that were trained on the same scans.
"""

from typing import Literal, get_args

import numpy as np

from study.agreement import Floats

Distribution = Literal["normal", "lognormal", "lognormal_growing", "t3"]
"""Of the labels: normal; lognormal (of log SD 1: skewed) with errors of one size, or in proportion to the
label; Student's t with 3 degrees of freedom (heavy tails)."""

DISTRIBUTIONS: tuple[Distribution, ...] = get_args(Distribution)
ICC = 0.8
"""ICC(A,1) of either arm with the labels."""
BIAS = 0.4
"""Mean error of a biased arm, in SD of the labels."""
COMMON = 0.5
"""Correlation of the arms' errors about their means."""


def error_variance(biased: bool) -> float:
    """Variance of an arm's errors about their mean, in variances of the labels.

    With labels of variance 1, errors of variance v and a bias b, ICC(A,1) = 2 / (2 + v + b^2).
    """
    return 2 / ICC - 2 - (BIAS**2 if biased else 0)


def pearson(biased: bool) -> float:
    """Pearson correlation of an arm with the labels: a bias does not lower it, less scatter raises it."""
    return float(1 / np.sqrt(1 + error_variance(biased)))


def draw_study(
    distribution: Distribution, biased: bool, scans: int, generator: np.random.Generator
) -> tuple[Floats, Floats]:
    """Predictions of two arms (2, scans), the second biased or exchangeable with the first, and labels."""
    labels_M, size_M = _labels(distribution, scans, generator)
    common_M, *own_2M = generator.normal(size=(3, scans))
    errors_2M = np.sqrt(COMMON) * common_M + np.sqrt(1 - COMMON) * np.array(own_2M)
    spread_21 = np.sqrt([[error_variance(biased=False)], [error_variance(biased)]])
    arms_2M = labels_M + spread_21 * size_M * errors_2M
    if biased:
        arms_2M[1] += BIAS
    return arms_2M, labels_M


def _labels(distribution: Distribution, scans: int, generator: np.random.Generator) -> tuple[Floats, Floats]:
    """Labels of variance 1, and the size of each scan's errors, whose mean square is 1."""
    same = np.ones(scans)
    if distribution == "normal":
        return generator.normal(size=scans), same
    if distribution == "t3":
        return generator.standard_t(3, scans) / np.sqrt(3), same
    values = generator.lognormal(size=scans)
    growing = distribution == "lognormal_growing"
    # Of a lognormal of log SD 1: variance e (e - 1), mean square e^2.
    return values / np.sqrt(np.e * (np.e - 1)), values / np.e if growing else same
