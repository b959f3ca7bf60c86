"""Which precision the convolutions run fastest in on this machine: a short measurement, not a guess."""

import time
from collections.abc import Sequence

import torch

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
    images = torch.zeros(scans_per_step, 1, *shape, device=device)
    full, half = (_seconds(images, precision) for precision in ("float32", "bfloat16"))
    return "bfloat16" if full > GAIN * half else "float32"


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
