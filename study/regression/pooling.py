"""ReLU with the pooling of its maps, largest of eight and mean of all.

On a CPU in bfloat16 in one pass each way: torch's operators take five over the largest maps of the network,
and keep eight bytes a voxel to remember where the largest stood (measured in benchmarks).
"""

from typing import Any

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from study.regression.compiled import as_array, in_parallel, within_loops

Bits = NDArray[np.uint16]
"""bfloat16, read without a sign."""


def pool_rectified(maps_BCDHW: Tensor) -> tuple[Tensor, Tensor]:
    """relu(maps), max pooled by two along each axis, and the means of that.

    Args:
        maps_BCDHW: (B, C, D, H, W); what an odd axis has left over is not looked at.

    Returns:
        Maps (B, C, D // 2, H // 2, W // 2), and their means (B, C), in float32 or better whatever the
        precision of the maps.
    """
    if not _can_be_compiled(maps_BCDHW):
        # Pooled first, which commutes with a ReLU.
        pooled = functional.relu(functional.max_pool3d(maps_BCDHW, 2))
        return pooled, _means(pooled)
    pooled, means = _Pooled.apply(maps_BCDHW)  # type: ignore[no-untyped-call]
    return pooled, means


def mean_rectified(maps_BCDHW: Tensor) -> Tensor:
    """Means of relu(maps), (B, C), in float32 or better whatever the precision of the maps."""
    if not _can_be_compiled(maps_BCDHW):
        return _means(functional.relu(maps_BCDHW))
    means: Tensor = _Averaged.apply(maps_BCDHW)  # type: ignore[no-untyped-call]
    return means


def _can_be_compiled(maps: Tensor) -> bool:
    return maps.dtype == torch.bfloat16 and maps.device.type == "cpu" and not torch.compiler.is_compiling()


def _means(maps_BCDHW: Tensor) -> Tensor:
    precision = torch.promote_types(maps_BCDHW.dtype, torch.float32)
    return maps_BCDHW.mean(dim=(2, 3, 4), dtype=precision)


def _channels_last(maps_BCDHW: Tensor) -> Tensor:
    """(B, D, H, W, C), contiguous: a view of maps that lie so in memory."""
    return maps_BCDHW.movedim(1, -1).contiguous()


class _Pooled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ANN401 - torch's own, untyped
        maps = _channels_last(maps)
        scans, *size, channels = maps.shape
        shape = (scans, *(length // 2 for length in size), channels)
        pooled, place = maps.new_empty(shape), maps.new_empty(shape, dtype=torch.uint8)
        means = maps.new_empty((scans, channels), dtype=torch.float32)
        _pool(*map(as_array, (maps, pooled, place, means)))
        ctx.save_for_backward(place)
        ctx.size = maps.shape
        return pooled.movedim(-1, 1), means

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, of_pooled: Tensor, of_means: Tensor) -> Tensor:  # noqa: ANN401
        (place,) = ctx.saved_tensors
        slope = _channels_last(of_pooled)
        is_odd = any(length % 2 for length in ctx.size[1:4])
        result = slope.new_zeros(ctx.size) if is_odd else slope.new_empty(ctx.size)
        _pool_slope(*map(as_array, (slope, of_means.contiguous(), place, result)))
        return result.movedim(-1, 1)


class _Averaged(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor) -> Tensor:  # noqa: ANN401
        maps = _channels_last(maps)
        means = maps.new_empty((len(maps), maps.shape[-1]), dtype=torch.float32)
        _mean(as_array(maps), as_array(means))
        ctx.save_for_backward(maps)
        return means

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, of_means: Tensor) -> Tensor:  # noqa: ANN401
        (maps,) = ctx.saved_tensors
        result = torch.empty_like(maps)
        _mean_slope(*map(as_array, (maps, of_means.contiguous(), result)))
        return result.movedim(-1, 1)


@within_loops
def from_bits(bits: np.uint16) -> np.float32:
    """The number whose bfloat16 bits these are."""
    return np.uint32(np.uint32(bits) << np.uint32(16)).view(np.float32)


@within_loops
def to_bits(number: np.float32) -> np.uint16:
    """The bits of the nearest bfloat16, of two the even one; a NaN stays one."""
    bits = np.float32(number).view(np.uint32)
    half_or_more = np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    upper = np.uint16((bits + half_or_more) >> np.uint32(16))
    return upper if number == number else np.uint16(0x7FC0)


@within_loops
def rectified(bits: np.uint16) -> np.uint16:
    """The bits of relu: zero from minus zero to minus infinity. They are in order, NaNs above all."""
    return np.uint16(0) if np.uint16(0x8000) <= bits <= np.uint16(0xFF80) else bits


_NOWHERE = np.uint8(8)
"""The place of a largest that is not above zero."""


@in_parallel
def _pool(maps: Bits, pooled: Bits, place: NDArray[np.uint8], means: NDArray[np.float32]) -> None:
    """Maps (B, D, H, W, C) to the largest of every eight, where it stood, and their means (B, C)."""
    scans, depth, height, width, channels = pooled.shape
    sums = np.empty((scans, depth, channels), np.float32)
    for row in numba.prange(scans * depth):
        b, d = row // depth, row % depth
        for c in range(channels):
            sums[b, d, c] = 0
        for h in range(height):
            for w in range(width):
                best, at = pooled[b, d, h, w], place[b, d, h, w]
                for c in range(channels):
                    largest, where = np.uint16(0), _NOWHERE
                    for k in range(8):
                        tap = rectified(maps[b, 2 * d + (k >> 2), 2 * h + (k >> 1 & 1), 2 * w + (k & 1), c])
                        where = np.uint8(k) if tap > largest else where
                        largest = max(tap, largest)
                    best[c], at[c] = largest, where
                for c in range(channels):
                    sums[b, d, c] += from_bits(best[c])
    _divide(sums, height * width, means)


@in_parallel
def _pool_slope(slope: Bits, of_means: NDArray[np.float32], place: NDArray[np.uint8], result: Bits) -> None:
    """The slopes (B, D, H, W, C) and (B, C) where the largest of eight stood; zero elsewhere."""
    scans, depth, height, width, channels = slope.shape
    for row in numba.prange(scans * depth):
        b, d = row // depth, row % depth
        each, whole = np.empty(channels, np.float32), np.empty(channels, np.uint16)
        for c in range(channels):
            each[c] = of_means[b, c] / (depth * height * width)
        for h in range(height):
            for w in range(width):
                at = place[b, d, h, w]
                for c in range(channels):
                    whole[c] = to_bits(from_bits(slope[b, d, h, w, c]) + each[c])
                for k in range(8):
                    tap = result[b, 2 * d + (k >> 2), 2 * h + (k >> 1 & 1), 2 * w + (k & 1)]
                    for c in range(channels):
                        tap[c] = whole[c] if at[c] == np.uint8(k) else np.uint16(0)


@in_parallel
def _mean(maps: Bits, means: NDArray[np.float32]) -> None:
    """Means of relu(maps): (B, D, H, W, C) to (B, C)."""
    scans, depth, height, width, channels = maps.shape
    sums = np.empty((scans, depth, channels), np.float32)
    for row in numba.prange(scans * depth):
        b, d = row // depth, row % depth
        for c in range(channels):
            sums[b, d, c] = 0
        for h in range(height):
            for w in range(width):
                for c in range(channels):
                    sums[b, d, c] += from_bits(rectified(maps[b, d, h, w, c]))
    _divide(sums, height * width, means)


@in_parallel
def _mean_slope(maps: Bits, of_means: NDArray[np.float32], result: Bits) -> None:
    """Each voxel's share of the slope (B, C) where relu has let it through; zero elsewhere."""
    scans, depth, height, width, channels = maps.shape
    for row in numba.prange(scans * depth):
        b, d = row // depth, row % depth
        each = np.empty(channels, np.uint16)
        for c in range(channels):
            each[c] = to_bits(of_means[b, c] / (depth * height * width))
        for h in range(height):
            for w in range(width):
                for c in range(channels):
                    is_let_through = rectified(maps[b, d, h, w, c]) > np.uint16(0)
                    result[b, d, h, w, c] = each[c] if is_let_through else np.uint16(0)


@within_loops
def _divide(sums: NDArray[np.float32], voxels: int, means: NDArray[np.float32]) -> None:
    """Sums over the voxels of each slice (B, D, C) to means (B, C)."""
    scans, depth, channels = sums.shape
    for b in range(scans):
        for c in range(channels):
            total = np.float32(0)
            for d in range(depth):
                total += sums[b, d, c]
            means[b, c] = total / (depth * voxels)
