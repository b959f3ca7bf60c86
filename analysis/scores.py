"""How well predictions agree with labels, in every figure that a reader may look for."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from analysis.limits import limits_of_agreement
from study.agreement import Floats, icc, mae, mse

SCORES = ("mse", "mae", "icc", "icc_c1", "icc_1", "pearson", "spearman", "bias")
"""The single figures; ICC without a form is ICC(A,1), the primary one."""
LIMITS = (
    "bias_low",
    "bias_high",
    "loa_lower",
    "loa_lower_low",
    "loa_lower_high",
    "loa_upper",
    "loa_upper_low",
    "loa_upper_high",
)
"""The bias' 95% interval, and the limits of agreement with theirs (`limits_of_agreement`)."""


def scores_of(predictions: ArrayLike, labels: ArrayLike) -> dict[str, float]:
    """Every one of SCORES and LIMITS of predictions (scans,) of labels (scans,); NaN where undefined."""
    x, y = np.asarray(predictions, np.float64), np.asarray(labels, np.float64)
    limits = limits_of_agreement(x, y)
    return {
        "mse": float(mse(x, y)),
        "mae": float(mae(x, y)),
        "icc": float(icc(x, y)),
        "icc_c1": float(icc(x, y, "C,1")),
        "icc_1": float(icc(x, y, "1")),
        "pearson": pearson(x, y),
        "spearman": pearson(_ranks(x), _ranks(y)),
        "bias": limits.bias,
        **dict(zip(("bias_low", "bias_high"), limits.bias_interval, strict=True)),
        "loa_lower": limits.lower,
        **dict(zip(("loa_lower_low", "loa_lower_high"), limits.lower_interval, strict=True)),
        "loa_upper": limits.upper,
        **dict(zip(("loa_upper_low", "loa_upper_high"), limits.upper_interval, strict=True)),
    }


def pearson(x: Floats, y: Floats) -> float:
    """Pearson correlation over scans, within [-1, 1]; NaN with fewer than two scans or a constant."""
    if x.size < 2 or (x == x[0]).all() or (y == y[0]).all():
        return float("nan")
    x, y = x - x.mean(), y - y.mean()
    r = (x @ y) / np.sqrt((x @ x) * (y @ y))
    return float(np.clip(r, -1, 1))


def _ranks(values: Floats) -> Floats:
    """Ranks from 1, ties at their mean."""
    return np.asarray(pd.Series(values).rank(), dtype=np.float64)
