"""A 3x3x3 convolution of a single map with its ReLU, as matrix products over 27 shifted copies.

Libraries tune convolutions for many maps; from one map they take several times as long as the
arithmetic needs (on a CPU, measured in benchmarks). The copies are made a slab of voxels at a time,
forward and backward, so that whatever is done to a slab finds it in the processor's cache.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

SLAB = 2**13
"""Voxels of a slab, or a single layer of a larger grid: 32 maps of it in bfloat16 are half a megabyte."""


def convolve_single_map(
    images_BCDHW: Tensor, weight: Tensor, bias: Tensor | None = None, onto: Tensor | None = None
) -> Tensor:
    """relu(convolution of one map + bias + onto), zero padded.

    Args:
        images_BCDHW: (B, 1, D, H, W).
        weight: (C, 1, 3, 3, 3).
        bias: (C,), or None for none.
        onto: (B, C, D, H, W), added; overwritten if it is channels last in memory, as the result is.

    Returns:
        (B, C, D, H, W).
    """
    if images_BCDHW.device.type != "cpu" or torch.compiler.is_compiling():
        convolved = functional.conv3d(images_BCDHW, weight, bias, padding=1)
        return functional.relu(convolved if onto is None else onto + convolved)
    if onto is not None:
        onto = onto.contiguous(memory_format=torch.channels_last_3d)
    result: Tensor = _SingleMap.apply(images_BCDHW, weight, bias, onto)  # type: ignore[no-untyped-call]
    return result


class _SingleMap(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's own, untyped
        images: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        onto: Tensor | None,
    ) -> Tensor:
        kernel = weight.reshape(len(weight), 27).t()
        if bias is not None:
            kernel = torch.cat([kernel, bias[None]])
        if onto is None:
            maps = images.new_empty(len(images), *images.shape[2:], len(weight)).movedim(-1, 1)
        else:
            maps = onto
            ctx.mark_dirty(maps)
        flat = _voxels_last(maps)
        for voxels, taps in _slabs(images, len(kernel)):
            slab = flat[voxels]
            if onto is None:
                torch.mm(taps.t(), kernel, out=slab)
            else:
                slab.addmm_(taps.t(), kernel)
            slab.relu_()
        ctx.save_for_backward(images, weight, maps)
        return maps

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        images, weight, maps = ctx.saved_tensors
        of_images, of_weight, of_bias, of_onto = ctx.needs_input_grad
        # In place: whoever computed this slope has no further use for it.
        slope = slope.contiguous(memory_format=torch.channels_last_3d)
        flat, flat_maps = _voxels_last(slope), _voxels_last(maps)
        shares = []
        for voxels, taps in _slabs(images, 28 if of_bias else 27):
            slab = flat[voxels]
            torch.ops.aten.threshold_backward.grad_input(slab, flat_maps[voxels], 0, grad_input=slab)
            shares.append(taps @ slab)
        precision = torch.promote_types(slope.dtype, torch.float32)
        kernel = torch.stack(shares).sum(0, dtype=precision).to(slope.dtype)
        return (
            _of_images(slope, weight) if of_images else None,
            kernel[:27].t().reshape(weight.shape) if of_weight else None,
            kernel[27] if of_bias else None,
            slope if of_onto else None,
        )


def _of_images(slope: Tensor, weight: Tensor) -> Tensor:
    """Gradient with respect to the images: the convolution's transpose."""
    return functional.conv_transpose3d(slope, weight, padding=1)


def _slabs(images: Tensor, rows: int) -> Iterator[tuple[slice, Tensor]]:
    """Runs of voxels (of all B D H W) with taps (rows, voxels): the zero-padded images seen through each
    of the kernel's 27 taps, and where a 28th row is asked for ones, which a bias goes with.

    A slab's taps are overwritten by the next one's.
    """
    count, _, depth, height, width = images.shape
    layer = height * width
    scans, layers = max(1, SLAB // (depth * layer)), max(1, SLAB // layer)
    padded = functional.pad(images[:, 0], (1, 1, 1, 1, 1, 1))
    scan, *axes = padded.stride()
    columns = min(scans, count) * min(layers, depth) * layer
    buffer = images.new_empty(rows, columns)
    buffer[27:].fill_(1)
    done = 0
    for first in range(0, count, scans):
        for top in range(0, depth, layers):
            size = (min(scans, count - first), min(layers, depth - top), height, width)
            seen = padded.as_strided((3, 3, 3, *size), (*axes, scan, *axes), first * scan + top * axes[0])
            voxels = size[0] * size[1] * layer
            taps = buffer if voxels == columns else buffer[:, :voxels]
            taps[:27].view(seen.shape).copy_(seen)
            yield slice(done, done + voxels), taps
            done += voxels


def _voxels_last(maps: Tensor) -> Tensor:
    """(B, C, D, H, W) as (B D H W, C); a view where channels lie last in memory."""
    return maps.movedim(1, -1).reshape(-1, maps.shape[1])
