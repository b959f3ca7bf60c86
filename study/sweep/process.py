"""Everything about a worker process that outlives a trial: threads, seeds, determinism, peak memory.

Actors are reused, so each of these is set afresh before every trial; a reused process then gives
bit for bit what a fresh one gives.
"""

import contextlib
import multiprocessing
import os
import random
import resource
import sys
import threading
from pathlib import Path

import numpy as np
import torch

from study.regression.allocator import return_freed_memory

CONTEXT_BYTES = 640 * 2**20
"""Memory of a GPU that every process on it takes beside its tensors: context and loaded kernels."""

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def settle(*, threads: int, gpus: float) -> str:
    """Put the process into the one state that trials start from; the device to train on.

    Args:
        threads: Of torch's CPU operations, at least 1: the order of their sums depends on it.
        gpus: GPUs of a trial; below 1, the trial may use that share of the GPU's memory.
    """
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    os.environ["TORCHINDUCTOR_DETERMINISTIC"] = "1"
    torch.set_num_threads(threads)
    random.seed(0)
    # The legacy generators belong to no trial; libraries that still use them must not differ either.
    np.random.seed(0)
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float32)
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    # Not by `use_deterministic_algorithms`, which imports the compiler for its flag above: a second.
    torch.set_deterministic_debug_mode("warn")
    torch.set_grad_enabled(True)
    if gpus <= 0:
        return "cpu"
    if gpus < 1:
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(tensor_share(gpus, total))
    return "cuda"


def end_with_parent() -> None:
    """End this process of a pool with the one that gives it work, which may be killed and leave it behind."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "a pool's process has one"

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def tensor_share(gpus: float, total_bytes: float) -> float:
    """Share of a GPU's memory for the tensors of a trial that has `gpus` of it, its context deducted."""
    return max(gpus / 2, gpus - CONTEXT_BYTES / total_bytes)


def forget_peak_memory(device: str) -> None:
    """Start a new measurement of the peak, where the system allows it."""
    return_freed_memory()
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    with contextlib.suppress(OSError):
        _CLEAR.write_text("5")


def peak_memory_mb(device: str) -> float:
    """Peak since `forget_peak_memory`, in MB: of the GPU where there is one, else of the process."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 1e6
    with contextlib.suppress(OSError, StopIteration):
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
