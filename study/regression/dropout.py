"""Dropout whose masks belong to slots, so that they do not depend on how a batch is cut into chunks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional


class SlotDropout(nn.Module):
    """Dropout (Srivastava et al. 2014) that can draw each sample's mask from a generator of its own.

    Without generators it is `torch.nn.Dropout`. Within `slot_streams` the mask of sample i comes
    from generator i, layer after layer, whatever batch the sample travels in.

    Args:
        rate: Probability that an element is dropped, in [0, 1); the masks round it to a multiple of 2^-16.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.generators: list[torch.Generator] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """(B, ...) to the same shape; scaled by 1 / (1 - rate) in training, unchanged in evaluation."""
        if not self.training or self.rate == 0:
            return x
        if self.generators is None:
            return functional.dropout(x, self.rate)
        # Drawn channels last, the layout of training, so that mask and activations lie alike in memory.
        drawn = _sixteen_bits(self.generators, (*x.shape[2:], x.shape[1]), x.device)
        dropped = min(round(self.rate * 2**16), 2**16 - 1)
        return x * _factors(drawn, dropped, x.dtype).movedim(-1, 1)


def _sixteen_bits(
    generators: Sequence[torch.Generator], shape: Sequence[int], device: torch.device
) -> Tensor:
    """Uniform int16, one sample of a shape a generator; four of them cost one draw, and masks need no more
    than 2^16 levels."""
    size = prod(shape)
    words = torch.empty(len(generators), -(-size // 4), dtype=torch.int64, device=device)
    for row, generator in zip(words, generators, strict=True):
        row.random_(-(2**63), None, generator=generator)
    return words.view(torch.int16)[:, :size].reshape(len(generators), *shape)


def _factors(drawn: Tensor, dropped: int, dtype: torch.dtype) -> Tensor:
    """0 where one of the `dropped` lowest of 2^16 levels was drawn, else what keeps the mean.

    As integers of the dtype's size: torch turns booleans into bfloat16 ten times more slowly.
    """
    scale = torch.tensor(1 / (1 - dropped / 2**16), dtype=dtype).view(_INTEGERS[dtype.itemsize])
    kept = torch.empty(drawn.shape, dtype=scale.dtype, device=drawn.device)
    return torch.ge(drawn, dropped - 2**15, out=kept).mul_(int(scale)).view(dtype)


_INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


@contextmanager
def slot_streams(model: nn.Module, seeds: Sequence[int] | None, device: torch.device) -> Iterator[None]:
    """Let every `SlotDropout` of the model draw sample i's masks from seeds[i] while this lasts."""
    layers = [module for module in model.modules() if isinstance(module, SlotDropout) and module.rate > 0]
    if seeds is None or not layers:
        yield
        return
    generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
    for layer in layers:
        layer.generators = generators
    try:
        yield
    finally:
        for layer in layers:
            layer.generators = None
