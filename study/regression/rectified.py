"""ReLU, by itself and with global average pooling of the same maps, in as few passes over them as can be.

A bfloat16 number is a sign and a magnitude in 16 bits: read as an integer it is clipped and masked in
half the time that converting it to float32 and back takes (on a CPU, measured in benchmarks).
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

_MINUS_INFINITY = -128
"""Its bits in bfloat16, read as an integer: at least those of any number below zero, less than a NaN's."""


def relu(maps: Tensor, result: Tensor) -> Tensor:
    """relu(maps), written into `result`, which may be `maps` itself; a NaN stays one."""
    if _are_integers_faster(maps):
        torch.ops.aten.threshold.out(maps.view(torch.int16), _MINUS_INFINITY, 0, out=result.view(torch.int16))
        return result
    return torch.clamp_min(maps, 0, out=result)


def relu_slope(slope: Tensor, maps: Tensor, result: Tensor) -> Tensor:
    """The slope where relu has let something through, else 0, written into `result`.

    Args:
        slope: With respect to relu's result.
        maps: relu's result, like `slope`.
        result: Overwritten; may be `slope` itself.
    """
    into = result
    if _are_integers_faster(maps):
        slope, maps, into = (tensor.view(torch.int16) for tensor in (slope, maps, result))
    torch.ops.aten.threshold_backward.grad_input(slope, maps, 0, grad_input=into)
    return result


def _are_integers_faster(maps: Tensor) -> bool:
    return maps.dtype == torch.bfloat16 and maps.device.type == "cpu"


def rectify(maps_BCDHW: Tensor) -> tuple[Tensor, Tensor]:
    """relu(maps) and its means.

    Apart, the mean's slope is spread over a tensor of the maps' size, in another layout than theirs, which
    is then added to, masked and put in order (measured in benchmarks).

    Args:
        maps_BCDHW: (B, C, D, H, W).

    Returns:
        The maps (B, C, D, H, W), and their means (B, C), in float32 or better whatever the precision of
        the maps.
    """
    if torch.compiler.is_compiling():
        maps = functional.relu(maps_BCDHW)
        return maps, _means(maps)
    maps, means = _Rectified.apply(maps_BCDHW)  # type: ignore[no-untyped-call]
    return maps, means


class _Rectified(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ANN401 - torch's own, untyped
        maps = relu(maps, torch.empty_like(maps))
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(maps)
        return maps, _means(maps)

    @staticmethod
    def backward(ctx: Any, of_maps: Tensor | None, of_means: Tensor | None) -> Tensor | None:  # noqa: ANN401
        (maps,) = ctx.saved_tensors
        slope = of_maps
        if of_means is not None:
            each = (of_means / maps.shape[2:].numel()).to(maps.dtype)[:, :, None, None, None]
            slope = each.expand_as(maps) if of_maps is None else of_maps + each
        if slope is None:
            return None
        return relu_slope(slope, maps, torch.empty_like(maps))


def _means(maps_BCDHW: Tensor) -> Tensor:
    precision = torch.promote_types(maps_BCDHW.dtype, torch.float32)
    # As they lie in memory, voxel after voxel: a mean over three axes converts them twice as slowly.
    voxels_BVC = maps_BCDHW.movedim(1, -1).flatten(1, -2)
    return voxels_BVC.to(precision).mean(dim=1)
