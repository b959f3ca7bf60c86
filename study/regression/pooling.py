"""ReLU with the pooling of its maps, largest of eight and mean of all, in one pass each way.

torch's operators take five passes over the largest maps of the network for the same, and keep eight bytes a
voxel to remember where the largest stood (measured in benchmarks).
"""

from typing import Any

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from study.regression.compiled import as_array, compiled, exceeds, number, rectified, store, voxels_first


def pool_rectified(maps_BCDHW: Tensor) -> tuple[Tensor, Tensor]:
    """relu(maps), max pooled by two along each axis, and the means of that.

    Args:
        maps_BCDHW: (B, C, D, H, W); what an odd axis has left over is not looked at.

    Returns:
        Maps (B, C, D // 2, H // 2, W // 2), and their means (B, C), in float32 or better whatever the
        precision of the maps.
    """
    if _is_torchs(maps_BCDHW):
        pooled = functional.relu(functional.max_pool3d(maps_BCDHW, 2))
        return pooled, _means(pooled)
    pooled, means = _Pooled.apply(maps_BCDHW)  # type: ignore[no-untyped-call]
    return pooled, means


def mean_rectified(maps_BCDHW: Tensor) -> Tensor:
    """Means of relu(maps), (B, C), in float32 or better whatever the precision of the maps."""
    if _is_torchs(maps_BCDHW):
        return _means(functional.relu(maps_BCDHW))
    means: Tensor = _Averaged.apply(maps_BCDHW)  # type: ignore[no-untyped-call]
    return means


def _is_torchs(maps: Tensor) -> bool:
    return maps.device.type != "cpu" or torch.compiler.is_compiling()


def _precision(maps: Tensor) -> torch.dtype:
    return torch.promote_types(maps.dtype, torch.float32)


def _means(maps_BCDHW: Tensor) -> Tensor:
    return maps_BCDHW.mean(dim=(2, 3, 4), dtype=_precision(maps_BCDHW))


class _Pooled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ANN401 - torch's own, untyped
        maps = voxels_first(maps)
        size = [len(maps), *(length // 2 for length in maps.shape[1:4]), maps.shape[-1]]
        pooled, place = maps.new_empty(size), torch.empty(size, dtype=torch.uint8)
        sums = maps.new_empty((*size[:2], size[-1]), dtype=_precision(maps))
        _pool(*map(as_array, (maps, pooled, place, sums)))
        ctx.save_for_backward(place)
        ctx.size = maps.shape
        return pooled.movedim(-1, 1), sums.sum(dim=1) / pooled[0, ..., 0].numel()

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, of_pooled: Tensor, of_means: Tensor) -> Tensor:  # noqa: ANN401
        (place,) = ctx.saved_tensors
        slope = voxels_first(of_pooled)
        is_odd = any(length % 2 for length in ctx.size[1:4])
        result = (torch.zeros if is_odd else torch.empty)(ctx.size, dtype=slope.dtype)
        each = of_means / place[0, ..., 0].numel()
        _pool_slope(*map(as_array, (slope, each, place, result)))
        return result.movedim(-1, 1)


class _Averaged(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor) -> Tensor:  # noqa: ANN401
        maps = voxels_first(maps)
        ctx.save_for_backward(maps)
        sums = maps.new_empty((*maps.shape[:2], maps.shape[-1]), dtype=_precision(maps))
        _sum(as_array(maps), as_array(sums))
        return sums.sum(dim=1) / maps[0, ..., 0].numel()

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, of_means: Tensor) -> Tensor:  # noqa: ANN401
        (maps,) = ctx.saved_tensors
        each, result = (of_means / maps[0, ..., 0].numel()).to(maps.dtype), torch.empty_like(maps)
        _mean_slope(*map(as_array, (maps, each, result)))
        return result.movedim(-1, 1)


_NOWHERE = 8
"""The place of a largest that is not above zero."""


@compiled
def _pool(
    maps: NDArray[Any], pooled: NDArray[Any], place: NDArray[np.uint8], sums: NDArray[np.float32]
) -> None:
    """Maps (B, D, H, W, C) to a quarter of them, where each stood, and sums over H and W (B, D, C)."""
    scans, depth, height, width, channels = pooled.shape
    for row in numba.prange(scans * depth):
        b, d = row // depth, row % depth
        sums[b, d] = 0
        for h in range(height):
            for w in range(width):
                best, at = pooled[b, d, h, w], place[b, d, h, w]
                for c in range(channels):
                    largest, where = rectified(maps[b, 2 * d, 2 * h, 2 * w, c]), np.uint8(0)
                    if not exceeds(largest, type(largest)(0)):
                        where = np.uint8(_NOWHERE)
                    for k in range(1, 8):
                        tap = rectified(maps[b, 2 * d + (k >> 2), 2 * h + (k >> 1 & 1), 2 * w + (k & 1), c])
                        is_larger = exceeds(tap, largest)
                        where = np.uint8(k) if is_larger else where
                        largest = tap if is_larger else largest
                    best[c], at[c] = largest, where
                for c in range(channels):
                    sums[b, d, c] += number(best[c])


@compiled
def _pool_slope(
    slope: NDArray[Any], each: NDArray[np.float32], place: NDArray[np.uint8], result: NDArray[Any]
) -> None:
    """The slope (B, D, H, W, C) and that of the means (B, C), each where its largest stood, zero elsewhere."""
    scans, depth, height, width, channels = slope.shape
    for row in numba.prange(scans * depth):
        b, d = row // depth, row % depth
        whole = np.empty(channels, result.dtype)
        for h in range(height):
            for w in range(width):
                at = place[b, d, h, w]
                for c in range(channels):
                    store(whole, c, number(slope[b, d, h, w, c]) + each[b, c])
                for k in range(8):
                    tap = result[b, 2 * d + (k >> 2), 2 * h + (k >> 1 & 1), 2 * w + (k & 1)]
                    for c in range(channels):
                        tap[c] = whole[c] if at[c] == np.uint8(k) else type(whole[c])(0)


@compiled
def _sum(maps: NDArray[Any], sums: NDArray[np.float32]) -> None:
    """Sums over H and W of relu(maps): (B, D, H, W, C) to (B, D, C)."""
    scans, depth, height, width, channels = maps.shape
    for row in numba.prange(scans * depth):
        b, d = row // depth, row % depth
        sums[b, d] = 0
        for h in range(height):
            for w in range(width):
                for c in range(channels):
                    sums[b, d, c] += number(rectified(maps[b, d, h, w, c]))


@compiled
def _mean_slope(maps: NDArray[Any], each: NDArray[Any], result: NDArray[Any]) -> None:
    """each (B, C) where relu has let a map through, else zero."""
    scans, depth, height, width, channels = maps.shape
    for row in numba.prange(scans * depth):
        b, d = row // depth, row % depth
        for h in range(height):
            for w in range(width):
                for c in range(channels):
                    kept = exceeds(rectified(maps[b, d, h, w, c]), type(maps[b, d, h, w, c])(0))
                    result[b, d, h, w, c] = each[b, c] if kept else type(each[b, c])(0)
