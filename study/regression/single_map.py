"""A 3x3x3 convolution of a single map with its ReLU, as one matrix product over 27 shifted copies.

Libraries tune convolutions for many maps; from one map they take several times as long as the
arithmetic needs (on a CPU, measured in benchmarks). The shifted copies are made again for the
backward pass: they are cheaper to copy than to keep.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


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
        shifted, kernel = _shifted(images), weight.reshape(len(weight), 27).t()
        if onto is None:
            flat = shifted.t() @ kernel if bias is None else torch.addmm(bias, shifted.t(), kernel)
            maps = flat.view(len(images), *images.shape[2:], -1).movedim(-1, 1)
        else:
            maps = onto
            flat = _voxels_last(maps).addmm_(shifted.t(), kernel)
            if bias is not None:
                flat.add_(bias)
            ctx.mark_dirty(maps)
        maps.relu_()
        ctx.save_for_backward(images, weight, maps)
        return maps

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        images, weight, maps = ctx.saved_tensors
        # In place: whoever computed this slope has no further use for it.
        slope = torch.ops.aten.threshold_backward.grad_input(slope, maps, 0, grad_input=slope)
        flat = _voxels_last(slope)
        of_images, of_weight, of_bias, of_onto = ctx.needs_input_grad
        return (
            _of_images(slope, weight) if of_images else None,
            (_shifted(images) @ flat).t().reshape(weight.shape) if of_weight else None,
            flat.sum(0) if of_bias else None,
            slope if of_onto else None,
        )


def _of_images(slope: Tensor, weight: Tensor) -> Tensor:
    """Gradient with respect to the images: the convolution's transpose."""
    return functional.conv_transpose3d(slope, weight, padding=1)


def _shifted(images: Tensor) -> Tensor:
    """(27, B D H W): the zero-padded images seen through each of the kernel's taps."""
    padded = functional.pad(images[:, 0], (1, 1, 1, 1, 1, 1))
    scan, *axes = padded.stride()
    size = (3, 3, 3, len(images), *images.shape[2:])
    return padded.as_strided(size, (*axes, scan, *axes)).reshape(27, -1)


def _voxels_last(maps: Tensor) -> Tensor:
    """(B, C, D, H, W) as (B D H W, C); a view where channels lie last in memory."""
    return maps.movedim(1, -1).reshape(-1, maps.shape[1])
