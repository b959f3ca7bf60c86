"""Dropout whose masks belong to slots, so that they do not depend on how a batch is cut into chunks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional


class SlotDropout(nn.Module):
    """Dropout (Srivastava et al. 2014) that can draw each sample's mask from a generator of its own.

    Without generators it is `torch.nn.Dropout`. Within `slot_streams` the mask of sample i comes
    from generator i, layer after layer, whatever batch the sample travels in.

    Args:
        rate: Probability that an element is dropped, in [0, 1).
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
        shape = (*x.shape[2:], x.shape[1])
        keep = torch.stack(
            [torch.rand(shape, generator=g, device=x.device) >= self.rate for g in self.generators]
        )
        return x * keep.movedim(-1, 1) * (1 / (1 - self.rate))


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
