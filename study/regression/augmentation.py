"""Random flips, rotations and translations of 3D images: drawn in one function, applied in another."""

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from study.regression.resampling import resample

Interpolation = Literal["linear", "nearest"]


def draw_transforms(
    count: int, *, flips: bool, rotation: float, translation: float, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Affine maps from output to input voxels, about the centre of the grid (paper, section 3).

    Args:
        count: Number of transforms, B.
        flips: Flip each axis with probability one half.
        rotation: Each axis' angle is uniform in [-rotation, rotation] radians.
        translation: Each axis' shift is uniform in [-translation, translation] voxels.
        generator: Source of randomness; the same amount is drawn whatever the ranges.

    Returns:
        (B, 3, 4): a 3x3 matrix and a shift in voxels, axes in the order D, H, W.
    """
    numbers = generator.random((count, 9))
    signs = np.where(flips & (numbers[:, :3] < 0.5), -1.0, 1.0)
    angles = (2 * numbers[:, 3:6] - 1) * rotation
    shifts = (2 * numbers[:, 6:] - 1) * translation
    matrices = _about(angles[:, 0], 0) @ _about(angles[:, 1], 1) @ _about(angles[:, 2], 2)
    return np.concatenate([matrices * signs[:, None, :], shifts[:, :, None]], axis=2)


def identity_transform() -> NDArray[np.float64]:
    """The transform that leaves a scan as it is, (1, 3, 4)."""
    return np.eye(3, 4)[None]


def apply_transforms(
    images_BDHW: Tensor, transforms: NDArray[np.float64], interpolation: Interpolation = "linear"
) -> Tensor:
    """Resample each image once; outside the grid is zero, so that a blank stays exactly zero.

    Args:
        images_BDHW: (B, D, H, W).
        transforms: (B, 3, 4), from `draw_transforms`; or (1, 3, 4), the same for all images.
        interpolation: `linear` blurs as much as the transform is off the grid; `nearest` does not.

    Returns:
        (B, D, H, W), the same device and dtype.
    """
    if images_BDHW.device.type == "cpu" and not images_BDHW.requires_grad:
        each_its_own = len(transforms) > 1
        groups = images_BDHW.unsqueeze(1 if each_its_own else 0)
        return resample(groups, transforms, interpolation == "nearest").flatten(0, 1)
    return _apply_with_torch(images_BDHW, transforms, interpolation)


def through_views(
    images_BDHW: Tensor, views_V34: NDArray[np.float64], interpolation: Interpolation = "linear"
) -> Tensor:
    """All images through each of the views, (V * B, D, H, W), view after view; see `apply_transforms`."""
    if images_BDHW.device.type == "cpu":
        return resample(images_BDHW.unsqueeze(0), views_V34, interpolation == "nearest").flatten(0, 1)
    return torch.cat([apply_transforms(images_BDHW, view_34[None], interpolation) for view_34 in views_V34])


def _apply_with_torch(
    images_BDHW: Tensor, transforms: NDArray[np.float64], interpolation: Interpolation
) -> Tensor:
    size = np.array(images_BDHW.shape[1:], dtype=np.float64)
    theta = np.empty_like(transforms)
    # The sampler wants coordinates in [-1, 1] over each axis' extent, in the order W, H, D.
    theta[:, :, :3] = transforms[:, ::-1, 2::-1] * (size[None, None, ::-1] / size[None, ::-1, None])
    theta[:, :, 3] = transforms[:, ::-1, 3] * (2 / size[::-1])
    grid_BDHW3 = functional.affine_grid(
        torch.from_numpy(theta).to(images_BDHW.device, torch.float32),
        [len(transforms), 1, *images_BDHW.shape[1:]],
        align_corners=False,
    ).to(images_BDHW.dtype)
    mode = "bilinear" if interpolation == "linear" else "nearest"
    channels = images_BDHW.unsqueeze(1 if len(transforms) > 1 else 0)
    sampled = functional.grid_sample(
        channels, grid_BDHW3, mode=mode, padding_mode="zeros", align_corners=False
    )
    return sampled.flatten(0, 1)


def _about(angles: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Rotation matrices (B, 3, 3) about one axis."""
    i, j = [other for other in range(3) if other != axis]
    matrices = np.zeros((len(angles), 3, 3))
    matrices[:, axis, axis] = 1
    matrices[:, i, i] = matrices[:, j, j] = np.cos(angles)
    matrices[:, i, j] = -np.sin(angles)
    matrices[:, j, i] = np.sin(angles)
    return matrices
