"""Resampling of scans on a CPU: where a voxel comes from is found once for all scans of a view."""

from typing import Any

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from study.regression.compiled import as_array, in_parallel, within_loops

_VECTOR = 8
"""Scans of one view are filled up to a multiple of so many blanks, which cost less than single ones."""


def resample(images_GBDHW: Tensor, transforms_T34: NDArray[np.float64], nearest: bool) -> Tensor:
    """Groups of scans, each through a transform of its own; outside the grid is zero.

    Args:
        images_GBDHW: (G, B, D, H, W), floating point on a CPU; of one group, or of as many as transforms.
        transforms_T34: Affine maps (T, 3, 4) from output to input voxels, about the centre of the grid.
        nearest: Take the nearest voxel instead of interpolating between eight.

    Returns:
        (T, B, D, H, W), the same dtype.
    """
    groups, scans, *size = images_GBDHW.shape
    precision = torch.promote_types(images_GBDHW.dtype, torch.float32)
    filled = scans if scans == 1 else -(-scans // _VECTOR) * _VECTOR
    # A border of zeros on every side stands for all that lies outside.
    padded = images_GBDHW.new_zeros((groups, *(length + 3 for length in size), filled), dtype=precision)
    padded[:, 1:-2, 1:-2, 1:-2, :scans] = images_GBDHW.movedim(1, -1)
    centre = (np.array(size) - 1) / 2
    corners = transforms_T34[:, :, 3] + centre - transforms_T34[:, :, :3] @ centre
    places = np.concatenate([transforms_T34[:, :, :3], corners[:, :, None] + 1], axis=2)
    result = padded.new_empty((len(places), scans, *size))
    _sample(as_array(padded), places, nearest, as_array(result))
    return result.to(images_GBDHW.dtype)


@in_parallel
def _sample(padded: NDArray[Any], places: NDArray[np.float64], nearest: bool, result: NDArray[Any]) -> None:
    """Padded scans (G, Z, Y, X, B') at places (T, 3, 4), in voxels of the padded grid: (T, B, D, H, W)."""
    transforms, scans, depth, height, width = result.shape
    groups, length_z, length_y, length_x, filled = padded.shape
    # Unsigned, because Numba would look whether a signed index counts from the end.
    step = np.uintp(filled), np.uintp(length_x * filled), np.uintp(length_y * length_x * filled)
    for slice_ in numba.prange(transforms * depth):
        t, d = slice_ // depth, slice_ % depth
        m, voxels = places[t], padded[t if groups > 1 else 0].reshape(-1)
        row = np.empty((width, filled), padded.dtype)
        for h in range(height):
            z0 = m[0, 0] * d + m[0, 1] * h + m[0, 3]
            y0 = m[1, 0] * d + m[1, 1] * h + m[1, 3]
            x0 = m[2, 0] * d + m[2, 1] * h + m[2, 3]
            for w in range(width):
                z = min(max(z0 + m[0, 2] * w, 0.0), length_z - 2.0)
                y = min(max(y0 + m[1, 2] * w, 0.0), length_y - 2.0)
                x = min(max(x0 + m[2, 2] * w, 0.0), length_x - 2.0)
                if nearest:
                    z, y, x = np.rint(z), np.rint(y), np.rint(x)
                below, before, left = np.int64(z), np.int64(y), np.int64(x)
                corner = np.uintp(((below * length_y + before) * length_x + left) * filled)
                # How far beyond the corner, in the scans' precision.
                dz, dy, dx = row.dtype.type(z - below), row.dtype.type(y - before), row.dtype.type(x - left)
                for b in range(filled):
                    here = corner + np.uintp(b)
                    lower = _between(voxels, here, step, dx, dy)
                    row[w, b] = lower + dz * (_between(voxels, here + step[2], step, dx, dy) - lower)
            for b in range(scans):
                for w in range(width):
                    result[t, b, d, h, w] = row[w, b]


@within_loops
def _between(
    voxels: NDArray[Any], here: np.uintp, step: tuple[np.uintp, np.uintp, np.uintp], dx: float, dy: float
) -> Any:  # noqa: ANN401
    """Between four neighbours in one slice."""
    there = here + step[1]
    near = voxels[here] + dx * (voxels[here + step[0]] - voxels[here])
    far = voxels[there] + dx * (voxels[there + step[0]] - voxels[there])
    return near + dy * (far - near)
