"""A convolution before max pooling: seven of eight slopes that it is given are zero, and are skipped.

Libraries convolve slopes as densely as maps. On a CPU without matrix instructions the way back takes less
than half the time in float32 and about two thirds in bfloat16 (LOG.md).
"""

from typing import Any

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from study.regression.compiled import as_array, in_parallel, within_loops

Stored = NDArray[Any]
"""The bits of bfloat16 numbers as uint16, or of float32 as uint32."""
Pairs = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]
"""Where a sum goes (N,), where its two terms come from (2 N,), what they are multiplied by (2 N,)."""

_MAPS = 32
"""Of the convolution, in and out; compiled in, since a known length makes the loop a seventh faster."""
_RUN = 3 * _MAPS
"""Numbers that a row of three taps meets."""
_SLICES = 8
"""To a part of a scan, or more; each keeps its own sums, the same for any number of threads."""


def convolve_for_pooling(maps_BCDHW: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`conv3d` of 3x3x3, zero padded, fast backwards if most of the slope it gets is zero.

    Args:
        maps_BCDHW: (B, C, D, H, W).
        weight: (O, C, 3, 3, 3).
        bias: (O,), or None for none.

    Returns:
        (B, O, D, H, W).
    """
    if not _is_sparse_faster(maps_BCDHW, weight):
        return functional.conv3d(maps_BCDHW, weight, bias, padding=1)
    result: Tensor = _Convolved.apply(maps_BCDHW, weight, bias)  # type: ignore[no-untyped-call]
    return result


def _is_sparse_faster(maps: Tensor, weight: Tensor) -> bool:
    """On a CPU; matrix instructions (AMX) multiply bfloat16 with zeros faster than anything avoids it."""
    if maps.device.type != "cpu" or torch.compiler.is_compiling() or weight.shape[:2] != (_MAPS, _MAPS):
        return False
    has_tiles = maps.dtype == torch.bfloat16 and torch.cpu._is_amx_tile_supported()
    return maps.dtype in (torch.float32, torch.bfloat16) and not has_tiles


class _Convolved(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(maps, weight)
        return functional.conv3d(maps, weight, bias, padding=1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:  # noqa: ANN401
        maps, weight = (saved.movedim(1, -1) for saved in ctx.saved_tensors)
        slope = slope.movedim(1, -1).contiguous()
        outputs, *taps, inputs = weight.shape
        kernel = weight.permute(1, 2, 0, 3, 4).to(torch.float32).contiguous()
        of_maps = torch.empty_like(maps, memory_format=torch.contiguous_format)
        parts = max(1, maps.shape[1] // _SLICES)
        of_kernel = kernel.new_empty(parts * len(maps), kernel.numel())
        _slopes(
            *map(_bits, (maps.contiguous(), slope)),
            as_array(kernel.view(-1)),
            _bits(of_maps),
            as_array(of_kernel),
        )
        of_weight = of_kernel.sum(dim=0).view(*taps[:2], outputs, taps[2], inputs).permute(2, 4, 0, 1, 3)
        of_bias = slope.sum(dim=(0, 1, 2, 3)) if ctx.needs_input_grad[2] else None
        return of_maps.movedim(-1, 1), of_weight.to(weight.dtype), of_bias


def _bits(tensor: Tensor) -> Stored:
    stored = as_array(tensor)
    return stored.view(np.uint32) if stored.dtype == np.float32 else stored


@in_parallel
def _slopes(
    maps: Stored, slope: Stored, kernel: NDArray[np.float32], of_maps: Stored, of_kernel: NDArray[np.float32]
) -> None:
    """Maps (B, D, H, W, C) and slope (B, D, H, W, O) to the slopes of the maps, and of the kernel in parts.

    Neighbouring voxels and their maps lie side by side, so that a row of three taps meets them all at once.
    Of the kernel and its slope, (3, 3, O, 3 C), one such row, with all outputs, stays in the cache while a
    slice of the maps goes by.
    """
    scans, depth, height, width, inputs = maps.shape
    outputs, parts = slope.shape[4], len(of_kernel) // scans
    row, tap_size = (width + 2) * inputs, outputs * _RUN
    area = (height + 2) * row
    for part in numba.prange(len(of_kernel)):
        b, first, last = part // parts, depth * (part % parts) // parts, depth * (part % parts + 1) // parts
        # Three slices of each, within a border of zeros; slice d has the place d modulo 3.
        around, result, sums = np.zeros(3 * area, np.float32), np.zeros(3 * area, np.float32), of_kernel[part]
        by_voxel, by_output = _room(height * width, outputs), _room(height * width, outputs)
        ends = np.zeros(height + 1, np.int64)
        sums[:] = 0
        _load(maps[b], first - 1, around[(first + 2) % 3 * area :])
        for d in range(first - 1, last + 1):
            if d < last:
                _load(maps[b], d + 1, around[(d + 1) % 3 * area :])
            if 0 <= d < depth:
                to_voxels = _pair_by_voxel(slope[b, d], ends, by_voxel)
                to_outputs = _pair_by_output(ends, outputs, by_voxel, by_output) if first <= d < last else 0
                for tap in range(9):
                    other, weights = d - 1 + tap // 3, tap * tap_size
                    here = (other + 3) % 3 * area + tap % 3 * row
                    _combine(by_output, to_outputs, sums[weights:], _RUN, around[here:], inputs)
                    if first <= other < last:
                        _combine(by_voxel, to_voxels, result[here:], inputs, kernel[weights:], _RUN)
            if d > first:
                _unload(result[(d - 1) % 3 * area :], of_maps[b, d - 1])


@within_loops
def _room(voxels: int, outputs: int) -> Pairs:
    """For the pairs of a slice, even if no slope is zero."""
    most = voxels * (outputs // 2 + 1) + outputs
    return np.empty(most, np.int32), np.empty(2 * most, np.int32), np.empty(2 * most, np.float32)


@within_loops
def _load(maps_DHWC: Stored, d: int, place: NDArray[np.float32]) -> None:
    """Slice d within its border; zeros beyond the grid."""
    depth, height, width, inputs = maps_DHWC.shape
    for h in range(height):
        at = ((h + 1) * (width + 2) + 1) * inputs
        line = place[at : at + width * inputs]
        if 0 <= d < depth:
            stored = maps_DHWC[d, h].reshape(-1)
            for i in range(len(line)):
                line[i] = _number(stored[i], 8 * maps_DHWC.itemsize)
        else:
            line[:] = 0


@within_loops
def _unload(place: NDArray[np.float32], of_maps_HWC: Stored) -> None:
    """A slice without its border, which is left as zeros."""
    height, width, inputs = of_maps_HWC.shape
    for h in range(height):
        at = ((h + 1) * (width + 2) + 1) * inputs
        line, stored = place[at : at + width * inputs], of_maps_HWC[h].reshape(-1)
        for i in range(len(line)):
            stored[i] = _begin(line[i], 8 * of_maps_HWC.itemsize)
    place[: (height + 2) * (width + 2) * inputs] = 0


@within_loops
def _pair_by_voxel(slope_HWO: Stored, ends: NDArray[np.int64], pairs: Pairs) -> int:
    """What voxels take from outputs, voxel by voxel, as counted in a slice with its border.

    Returns:
        How many pairs there are; `ends` is told how many up to the end of each row.
    """
    height, width, outputs = slope_HWO.shape
    to, of, by = pairs
    count = 0
    for h in range(height):
        for w in range(width):
            start = terms = 2 * count
            here = slope_HWO[h, w]
            for c in range(outputs):
                of[terms] = c
                terms += here[c] != 0
            for term in range(start, terms):
                by[term] = _number(here[of[term]], 8 * slope_HWO.itemsize)
            of[terms], by[terms] = 0, 0
            while 2 * count < terms:
                to[count] = h * (width + 2) + w
                count += 1
        ends[h + 1] = count
    return count


@within_loops
def _pair_by_output(ends: NDArray[np.int64], outputs: int, given: Pairs, pairs: Pairs) -> int:
    """The same, as outputs take it from voxels, two rows after two rows; how many pairs there are."""
    (voxels, of_outputs, numbers), (to, of, by) = given, pairs
    next_ = np.empty(outputs, np.int64)
    count = 0
    for h in range(0, len(ends) - 1, 2):
        start, end = 2 * ends[h], 2 * ends[min(h + 2, len(ends) - 1)]
        next_[:] = 0
        for term in range(start, end):
            next_[of_outputs[term]] += numbers[term] != 0
        for c in range(outputs):
            terms, next_[c] = next_[c], 2 * count
            of[2 * count + terms], by[2 * count + terms] = 0, 0
            for _ in range(0, terms, 2):
                to[count] = c
                count += 1
        for term in range(start, end):
            if numbers[term] != 0:
                at = next_[of_outputs[term]]
                of[at], by[at] = voxels[term // 2], numbers[term]
                next_[of_outputs[term]] = at + 1
    return count


@within_loops
def _combine(
    pairs: Pairs,
    count: int,
    target: NDArray[np.float32],
    target_step: int,
    source: NDArray[np.float32],
    source_step: int,
) -> None:
    """Add to each of the target's numbers, `_RUN` at a time, what a pair takes from the source."""
    to, of, by = pairs
    for pair in range(count):
        # Unsigned, because Numba would look whether a signed index counts from the end.
        t = np.uint64(to[pair] * target_step)
        a, b = np.uint64(of[2 * pair] * source_step), np.uint64(of[2 * pair + 1] * source_step)
        x, y = by[2 * pair], by[2 * pair + 1]
        for i in range(_RUN):
            k = np.uint64(i)
            target[t + k] += x * source[a + k] + y * source[b + k]


@within_loops
def _number(bits: Any, kept: int) -> np.float32:  # noqa: ANN401 - uint16 or uint32
    """The float32 that begins with so many bits."""
    return np.uint32(np.uint32(bits) << np.uint32(32 - kept)).view(np.float32)


@within_loops
def _begin(number: np.float32, kept: int) -> np.uint32:
    """So many of a float32's first bits, 32 or 16, those of the nearest bfloat16, of two the even one."""
    bits = np.float32(number).view(np.uint32)
    half_or_more = np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    upper = np.uint32((bits + half_or_more) >> np.uint32(16)) if number == number else np.uint32(0x7FC0)
    return upper if kept == 16 else bits
