"""Two arms and the labels of the same scans, checked before they are compared."""

import numpy as np
from numpy.typing import ArrayLike

from study.agreement import Floats


def paired(first: ArrayLike, second: ArrayLike, labels: ArrayLike) -> tuple[Floats, Floats]:
    """Predictions (2, scans) and labels (scans,).

    Raises:
        ValueError: They don't all have the shape (scans,).
    """
    one, other, labels_M = (np.asarray(values, np.float64) for values in (first, second, labels))
    if labels_M.ndim != 1 or one.shape != labels_M.shape or other.shape != labels_M.shape:
        raise ValueError(
            f"arms and labels must be (scans,), but got {one.shape}, {other.shape} and {labels_M.shape}"
        )
    return np.stack([one, other]), labels_M
