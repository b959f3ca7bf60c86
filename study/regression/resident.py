"""Scans where the network lives: copied to a GPU once if they fit beside the training, else as needed."""

from collections.abc import Callable
from math import prod
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from study.cohort.rows import Images
from study.regression.sets import BLANK

SHARE = 0.25
"""Of a trial's memory on a GPU that its scans may take."""


def resident(images_MDHW: Images, device: str, free_bytes: Callable[[str], float] | None = None) -> Images:
    """The scans as float32 on the device, or as they are where that is the CPU or they are too many.

    Args:
        images_MDHW: (M, D, H, W).
        device: Where the network lives.
        free_bytes: Of a device; asked for anything but a CPU.
    """
    free = free_bytes or _free_bytes
    if torch.device(device).type == "cpu" or 4 * prod(images_MDHW.shape) > SHARE * free(device):
        return images_MDHW
    # Indexed like an array; only `on_device` reads from it.
    return cast(Images, on_device(images_MDHW, np.arange(len(images_MDHW)), device))


def on_device(images_MDHW: Images, scans_B: NDArray[np.int64], device: str) -> Tensor:
    """float32 (B, D, H, W) on the device; a blank is a zero image."""
    present = np.flatnonzero(scans_B != BLANK)
    found = torch.as_tensor(images_MDHW[scans_B[present]], dtype=torch.float32, device=device)
    if len(present) == len(scans_B):
        return found
    images = torch.zeros(len(scans_B), *images_MDHW.shape[1:], device=device)
    images[torch.from_numpy(present).to(device)] = found
    return images


def _free_bytes(device: str) -> float:
    free, total = torch.cuda.mem_get_info(device)
    # What this process may take at most, where several share the GPU.
    share = torch.cuda.get_per_process_memory_fraction(device)
    return min(free, share * total)
