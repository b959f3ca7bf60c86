"""A 3x3x3 convolution of a single map with its ReLU, as one matrix product over 27 shifted copies.

Libraries tune convolutions for many maps; from one map they take several times as long as the
arithmetic needs (on a CPU, measured in benchmarks). A bias is the weight of one more row, of ones.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from study.regression.rectified import relu_, relu_slope_


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
        shifted, kernel = _shifted(images, bias is not None), weight.reshape(len(weight), 27)
        if bias is not None:
            kernel = torch.cat([kernel, bias.unsqueeze(1)], dim=1)
        if onto is None:
            maps = (shifted.t() @ kernel.t()).view(len(images), *images.shape[2:], -1).movedim(-1, 1)
        else:
            maps = onto
            _by_voxel(maps).addmm_(shifted.t(), kernel.t())
            ctx.mark_dirty(maps)
        relu_(maps)
        ctx.save_for_backward(shifted, weight, maps)
        return maps

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        shifted, weight, maps = ctx.saved_tensors
        # In place: whoever computed this slope has no further use for it.
        slope = relu_slope_(slope, maps)
        of_images, of_weight, of_bias, of_onto = ctx.needs_input_grad
        of_kernel = (shifted @ _by_voxel(slope)).t() if of_weight or of_bias else None
        return (
            _of_images(slope, weight) if of_images else None,
            of_kernel[:, :27].reshape(weight.shape) if of_kernel is not None and of_weight else None,
            of_kernel[:, 27] if of_kernel is not None and of_bias else None,
            slope if of_onto else None,
        )


def _of_images(slope: Tensor, weight: Tensor) -> Tensor:
    """Gradient with respect to the images: the convolution's transpose."""
    return functional.conv_transpose3d(slope, weight, padding=1)


def _shifted(images: Tensor, with_ones: bool) -> Tensor:
    """(27, B D H W): the zero-padded images seen through each of the kernel's taps; and a row of ones."""
    padded = functional.pad(images[:, 0], (1, 1, 1, 1, 1, 1))
    scan, *axes = padded.stride()
    size = (3, 3, 3, len(images), *images.shape[2:])
    shifted = images.new_empty(27 + with_ones, images.numel())
    shifted[:27].view(size).copy_(padded.as_strided(size, (*axes, scan, *axes)))
    shifted[27:] = 1
    return shifted


def _by_voxel(maps: Tensor) -> Tensor:
    """(B, C, D, H, W) as (B D H W, C); a view where channels lie last in memory."""
    return maps.movedim(1, -1).reshape(-1, maps.shape[1])
