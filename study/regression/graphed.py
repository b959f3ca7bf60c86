"""CUDA graphs: a pass over a few small scans is recorded once, and replayed with a single launch.

Where scans are small a GPU runs a kernel faster than Python launches the next one. A graph has a fixed number
of scans: others are filled up with blanks to the next power of two, whose predictions nobody takes.
"""

import warnings
from collections.abc import Callable, Sequence
from math import prod

import torch
from torch import Tensor, nn

from study.regression.config import BASE, TrialConfig
from study.regression.objective import is_out_of_memory

LARGEST = 32**3
"""Voxels of a scan up to which launches are taken to dominate; benchmarks/gpu.py measures it on a GPU."""

Pass = Callable[[Tensor], Tensor]
Capture = Callable[[nn.Module, Tensor], Pass]


def is_worth_it(device: str, shape: Sequence[int], config: TrialConfig) -> bool:
    """Whether a training of such scans (D, H, W) is replayed from graphs.

    Masks of dropout are drawn from one generator a slot, whose seeds a graph would repeat; what a user's own
    network does, nobody knows.
    """
    is_recordable = config.regressor == BASE and config.dropout == 0
    return is_recordable and torch.device(device).type == "cuda" and prod(shape) <= LARGEST


def capture(network: nn.Module, sample: Tensor) -> Pass:
    """Forward and backward pass of a network as CUDA graphs, for inputs like the sample.

    Raises:
        RuntimeError: CUDA cannot record it.
    """
    return torch.cuda.make_graphed_callables(network, (sample,))  # type: ignore[return-value]


class Graphed(nn.Module):
    """A network in training, recorded when a number of scans first comes; the weights remain its own.

    If it cannot be recorded it is run as ever, with a warning.

    Args:
        network: (B, 1, D, H, W) -> (B,), without randomness.
        record: How to record a pass.
    """

    def __init__(self, network: nn.Module, record: Capture = capture) -> None:
        super().__init__()
        self.network, self.record = network, record
        self.passes: dict[int, Pass] = {}
        # Replays write gradients to the same place, and autograd would take that place as a parameter's
        # `.grad` (https://github.com/pytorch/pytorch/issues/181723).
        for parameter in network.parameters():
            parameter.register_hook(torch.clone)  # type: ignore[no-untyped-call]

    def forward(self, images_BCDHW: Tensor) -> Tensor:
        """(B, 1, D, H, W) to (B,); valid until the next pass."""
        scans = len(images_BCDHW)
        size = 1 << (scans - 1).bit_length()
        if size not in self.passes:
            self.passes[size] = self._recorded(images_BCDHW, size)
        filled = images_BCDHW.new_zeros((size, *images_BCDHW.shape[1:]))
        filled[:scans] = images_BCDHW
        return self.passes[size](filled)[:scans]

    def _recorded(self, images_BCDHW: Tensor, size: int) -> Pass:
        try:
            return self.record(_Pass(self.network), images_BCDHW.new_zeros((size, *images_BCDHW.shape[1:])))
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            warnings.warn(f"CUDA graphs are not used, {size} scans cannot be recorded: {error}", stacklevel=2)
            return self.network


class _Pass(nn.Module):
    """A module of its own for each recording, which replaces its `forward`; the network is the same."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images_BCDHW: Tensor) -> Tensor:
        predictions: Tensor = self.network(images_BCDHW)
        return predictions
