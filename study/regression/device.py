"""Where networks run, checked before there is work to lose, and how much of it goes through at once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod

import torch

from study.badinput import BadInput

PASS_VOXELS = {"cpu": 2**19, "cuda": 2**20}
"""Voxels of one pass: two scans of 64^3 on a CPU, where fewer leave threads idle (measured in benchmarks)."""
LARGEST_CHUNK = 32


def suitable_chunk(shape: Sequence[int], device: str) -> int:
    """Scans of a grid (D, H, W) that go through a network at once, whatever n or the number of scans."""
    voxels = PASS_VOXELS[torch.device(device).type]
    # Rounded up: a single scan of less than a pass would take the slow path of `BaseRegressor`.
    return min(LARGEST_CHUNK, -(-voxels // prod(shape)))


def check_device(name: str) -> None:
    """Refuse a device that is none, or that this machine lacks.

    Raises:
        BadInput: Neither `cpu` nor `cuda`, or there is no such GPU.
    """
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdecimal()) or name.endswith(":"):
        raise BadInput(f"a device is cpu or cuda, got {name!r}", where="device", fix="Choose one of them")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise BadInput(
            f"this machine has {torch.cuda.device_count()} GPUs, got {name!r}",
            where="device",
            fix="Use the CPU: --device cpu, or --gpus-per-trial 0 of a study",
        )


@contextmanager
def full_float32() -> Iterator[None]:
    """Convolutions on a GPU in all of float32's digits, as trials have them, whatever the process allows."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before
