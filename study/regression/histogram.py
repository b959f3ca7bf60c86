"""Ridge regression on a scan's intensity histogram: what can be told without knowing where anything lies."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from study.cohort.rows import Images

BINS = 32
PENALTIES = np.logspace(-3, 4, 29)
"""Candidates, in units of the standardised features' scale; chosen by leaving one scan out."""


@dataclass(frozen=True, kw_only=True, eq=False)
class HistogramRidge:
    """label = standardised shares of voxels between `edges` times `weights` + `offset`."""

    edges: NDArray[np.float64]
    centre: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]
    offset: float

    def predict(self, images_MDHW: Images) -> NDArray[np.float64]:
        """(M, D, H, W) preprocessed scans to (M,), label units."""
        features_MF = (_shares(images_MDHW, self.edges) - self.centre) / self.scale
        predictions: NDArray[np.float64] = features_MF @ self.weights + self.offset
        return predictions


def fit_histogram_ridge(images_MDHW: Images, labels_M: NDArray[np.float64]) -> HistogramRidge:
    """The ridge regression with the lowest leave-one-out squared error on these scans.

    Edges are quantiles of the scans' voxels other than 0. Leaving one out is exact and in closed form, from
    the residuals and the leverages (Golub, Heath and Wahba 1979).

    Args:
        images_MDHW: Development scans, preprocessed.
        labels_M: (M,), label units.
    """
    edges = _edges(images_MDHW)
    shares_MF = _shares(images_MDHW, edges)
    centre, scale = shares_MF.mean(axis=0), shares_MF.std(axis=0)
    scale[scale == 0] = 1.0
    left, sizes, right = np.linalg.svd((shares_MF - centre) / scale, full_matrices=False)
    offset = float(labels_M.mean())
    along = left.T @ (labels_M - offset)
    errors = [_left_out(left, sizes, along, labels_M - offset, penalty) for penalty in PENALTIES]
    best = PENALTIES[int(np.argmin(errors))]
    weights = right.T @ (sizes / (sizes**2 + best) * along)
    return HistogramRidge(edges=edges, centre=centre, scale=scale, weights=weights, offset=offset)


def _left_out(
    left: NDArray[np.float64],
    sizes: NDArray[np.float64],
    along: NDArray[np.float64],
    labels_M: NDArray[np.float64],
    penalty: float,
) -> float:
    """Mean squared error of each centred label, predicted without it; the offset takes its 1 / M."""
    shrunk = sizes**2 / (sizes**2 + penalty)
    leverages_M = (left**2) @ shrunk + 1 / len(labels_M)
    errors_M = (labels_M - left @ (shrunk * along)) / np.maximum(1 - leverages_M, 1e-9)
    return float(np.mean(errors_M**2))


def _edges(images_MDHW: Images) -> NDArray[np.float64]:
    """(BINS - 1,) inner edges: means over scans of each scan's own quantiles."""
    places = np.linspace(0, 1, BINS + 1)[1:-1]
    quantiles = np.zeros(BINS - 1)
    for position in range(len(images_MDHW)):
        voxels = np.asarray(images_MDHW[position : position + 1])
        inside = voxels[voxels != 0]
        quantiles += np.quantile(inside if inside.size else np.zeros(1), places)
    return quantiles / max(1, len(images_MDHW))


def _shares(images_MDHW: Images, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of each scan's voxels in each bin, (M, BINS)."""
    shares = np.empty((len(images_MDHW), len(edges) + 1))
    for position in range(len(images_MDHW)):
        bins = np.searchsorted(edges, np.asarray(images_MDHW[position : position + 1]).ravel())
        shares[position] = np.bincount(bins, minlength=len(edges) + 1) / bins.size
    return shares
