"""ReLU and global average pooling of the same maps, with one pass over them on the way back."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


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
        maps = maps.relu()
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(maps)
        return maps, _means(maps)

    @staticmethod
    def backward(ctx: Any, of_maps: Tensor | None, of_means: Tensor | None) -> Tensor | None:  # noqa: ANN401
        (maps,) = ctx.saved_tensors
        slope = of_maps
        if of_means is not None:
            each = (of_means / maps[0, 0].numel()).to(maps.dtype)[:, :, None, None, None]
            slope = each.expand_as(maps) if of_maps is None else of_maps + each
        if slope is None:
            return None
        return torch.ops.aten.threshold_backward.grad_input(  # type: ignore[no-any-return]
            slope, maps, 0, grad_input=torch.empty_like(maps)
        )


def _means(maps_BCDHW: Tensor) -> Tensor:
    precision = torch.promote_types(maps_BCDHW.dtype, torch.float32)
    return maps_BCDHW.mean(dim=(2, 3, 4), dtype=precision)
