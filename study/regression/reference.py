"""Reference rows that keep everyone honest: rules anyone can fit to the development scans in a second."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from study.cohort.rows import Images

THRESHOLDS = 64


@dataclass(frozen=True, kw_only=True)
class ThresholdRule:
    """label = slope * (share of voxels above a threshold) + offset."""

    threshold: float
    slope: float
    offset: float

    def predict(self, images_MDHW: Images) -> NDArray[np.float64]:
        """(M, D, H, W) preprocessed scans to (M,), label units."""
        return self.slope * _shares(images_MDHW, np.array([self.threshold]))[:, 0] + self.offset


def fit_threshold_rule(images_MDHW: Images, labels_M: NDArray[np.float64]) -> ThresholdRule:
    """The threshold and least-squares line with the lowest squared error on these scans.

    Args:
        images_MDHW: Development scans, preprocessed.
        labels_M: (M,), label units.
    """
    low, high = np.inf, -np.inf
    for position in range(len(images_MDHW)):
        scan = images_MDHW[position : position + 1]
        low, high = min(low, float(scan.min())), max(high, float(scan.max()))
    thresholds = np.linspace(low, high, THRESHOLDS + 2)[1:-1]
    shares_MT = _shares(images_MDHW, thresholds)
    centred_MT = shares_MT - shares_MT.mean(axis=0)
    power_T = (centred_MT**2).sum(axis=0)
    safe_T = np.where(power_T > 0, power_T, 1.0)
    slopes_T = np.where(power_T > 0, centred_MT.T @ (labels_M - labels_M.mean()) / safe_T, 0.0)
    best = int(np.argmax(slopes_T**2 * power_T))
    offset = float(labels_M.mean() - slopes_T[best] * shares_MT[:, best].mean())
    return ThresholdRule(threshold=float(thresholds[best]), slope=float(slopes_T[best]), offset=offset)


def _shares(images_MDHW: Images, thresholds_T: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of each scan's voxels above each threshold, (M, T); a scan in memory at a time."""
    shares = np.empty((len(images_MDHW), len(thresholds_T)))
    for position in range(len(images_MDHW)):
        voxels = np.sort(images_MDHW[position : position + 1], axis=None)
        shares[position] = 1 - np.searchsorted(voxels, thresholds_T, side="right") / voxels.size
    return shares
