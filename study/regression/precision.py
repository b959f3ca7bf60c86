"""Which precision the convolutions run fastest in on this machine: a short measurement, not a guess."""

import time
from collections.abc import Mapping, Sequence
from math import prod

import torch

from study.regression.device import full_float32
from study.regression.regressor import BaseRegressor, Precision

GAIN = 1.15
"""bfloat16 must be this many times faster to be worth its rounding."""


def fastest_precision(shape: Sequence[int], scans_per_step: int, device: str = "cpu") -> Precision:
    """`bfloat16` where forward and backward of the base regressor run clearly faster in it.

    Args:
        shape: Grid (D, H, W).
        scans_per_step: Images in a batch.
        device: Where to measure.
    """
    return faster(precision_seconds(shape, scans_per_step, device))


def faster(seconds: Mapping[Precision, float]) -> Precision:
    """The precision to train in, from the seconds of a step in each."""
    return "bfloat16" if seconds["float32"] > GAIN * seconds["bfloat16"] else "float32"


def precision_seconds(
    shape: Sequence[int], scans_per_step: int, device: str = "cpu"
) -> dict[Precision, float]:
    """Seconds of a step in each precision, measured; arguments as for `fastest_precision`."""
    # Not of zeros, whose slopes would be zero and skipped.
    images = torch.linspace(-1, 1, scans_per_step * prod(shape), device=device).view(-1, 1, *shape)
    precisions: tuple[Precision, ...] = ("float32", "bfloat16")
    with full_float32():
        return {precision: _seconds(images, precision) for precision in precisions}


def _seconds(images: torch.Tensor, precision: Precision) -> float:
    """The fastest of a few steps."""
    network = BaseRegressor(precision=precision).to(images.device)
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        torch.autograd.backward(network(images).sum())
        if images.is_cuda:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
