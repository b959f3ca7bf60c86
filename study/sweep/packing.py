"""How many trials share a GPU: one trial is measured alone on a whole one, then it is decided.

Small grids leave most of a GPU idle, and several processes at once fill it; large ones need its
memory. The share that comes out is enforced by `study.sweep.process.settle`.
"""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor

import ray
import torch
from torch.profiler import ProfilerActivity, profile

from study.regression.config import TrialConfig
from study.regression.crossvalidation import CrossValidation
from study.regression.device import LARGEST_CHUNK
from study.sweep.assignment import Assignment
from study.sweep.cluster import living_nodes, remotely, started_here
from study.sweep.process import CONTEXT_BYTES, forget_peak_memory, peak_memory_mb, settle
from study.sweep.spaces import Space
from study.sweep.staged import hand_out

MARGIN = 1.3
"""A trial may take so many times the memory measured: other draws, and what the allocator keeps."""
MOST = 16
"""Trials on a GPU; each costs a process with libraries of its own in the machine's memory."""
STEPS = 40
"""Of a network between two reports while it is measured, at most."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One trial alone on a GPU.

    Args:
        peak_bytes: Most memory that its tensors occupied.
        total_bytes: Of the GPU, what other processes hold left out.
        busy: Share of the wall-clock time in which a kernel ran, 0 to 1.
    """

    peak_bytes: float
    total_bytes: float
    busy: float


@dataclass(frozen=True, kw_only=True)
class Packing:
    """`trials` share a GPU, each takes `gpus` of it; `reason` says what limited them."""

    trials: int
    gpus: float
    reason: str


def pack(measured: Measured, *, by_cpu: int) -> Packing:
    """As many trials as fill a GPU's time, as far as its memory and the CPUs beside it reach.

    Args:
        measured: One trial alone.
        by_cpu: Trials for which there are CPUs beside each GPU.
    """
    need = measured.peak_bytes * MARGIN + CONTEXT_BYTES
    limits = {
        f"its memory ({need / 2**30:.1f} of {measured.total_bytes / 2**30:.1f} GiB a trial)": floor(
            measured.total_bytes / need
        ),
        f"its time (one trial keeps it busy {measured.busy:.0%} of the time)": ceil(
            1 / max(measured.busy, 1 / MOST)
        ),
        "the CPUs beside it": by_cpu,
        "the processes that one GPU should serve": MOST,
    }
    limit = min(limits, key=lambda name: limits[name])
    trials = max(1, limits[limit])
    # Rounded down to what Ray counts in, so that the shares of a GPU never exceed it.
    share = floor(1e4 / trials) / 1e4
    return Packing(trials=trials, gpus=share, reason=f"{trials} to a GPU, limited by {limit}")


def heaviest(spaces: Sequence[Space]) -> TrialConfig:
    """Of all arms, the configuration with the most scans in one pass, and then in a set."""
    return max((_heaviest(space) for space in spaces), key=_weight)


def _heaviest(space: Space) -> TrialConfig:
    sample = dict(space.points.get("default", {}))
    for field in ("n", "scans_per_step"):
        if field in space.searched:
            sample[field] = max(int(value) for value in space.searched[field].extremes())
    return space.resolve(sample)


def _weight(config: TrialConfig) -> tuple[int, int]:
    together = config.slots_per_step
    return (
        together if config.execution == "replicated" else min(together, config.chunk or LARGEST_CHUNK),
        config.n,
    )


def measure_trial(assignment: Assignment, config: TrialConfig) -> Measured:
    """Train and predict a little on every fold, alone on what the assignment's `gpus` name.

    On a CPU the machine's memory and the process's stand for the GPU's, and all time counts as busy.
    """
    device = settle(threads=assignment.threads, gpus=assignment.gpus)
    return measure_training(assignment.cross_validation(short(config), device), device)


def measure_training(training: CrossValidation, device: str) -> Measured:
    """Three reports of a `short` training in this process, which is settled."""
    forget_peak_memory(device)
    training.advance()
    wall = _seconds(training.advance, device)
    return Measured(
        peak_bytes=peak_memory_mb(device) * 1e6,
        total_bytes=_total_bytes(device),
        busy=min(1.0, _kernel_seconds(training.advance) / wall) if device == "cuda" else 1.0,
    )


def measure_alone(assignment: Assignment, config: TrialConfig, cpus: float) -> Measured:
    """`measure_trial` in a process of the running Ray that holds the CPUs and the assignment's GPUs."""
    if not started_here():
        assignment = replace(assignment, origin=hand_out(assignment.arrays, assignment.fingerprint))
    task = remotely(measure_trial, cpus=cpus, gpus=assignment.gpus, retries=1)
    measured: Measured = ray.get(task.remote(assignment, config))
    return measured


def cpu_places_a_gpu(cpus: float) -> int:
    """For how many trials with so many CPUs each there is room beside every GPU; 0 without any GPU."""
    nodes = [node["Resources"] for node in living_nodes() if node["Resources"].get("GPU", 0) >= 1]
    return cpu_places(nodes, cpus)


def cpu_places(nodes: Sequence[dict[str, float]], cpus: float) -> int:
    """`cpu_places_a_gpu` for nodes with GPUs, by their resources."""
    return min((int(node.get("CPU", 0) / node["GPU"] / cpus + 1e-9) for node in nodes), default=0)


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Length of the union of some (start, end) spans."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def short(config: TrialConfig) -> TrialConfig:
    """Three reports, as far apart as the configuration's own where that is not too long."""
    each = min(config.presentations // config.reports, STEPS * config.slots_per_step)
    return config.model_copy(update={"presentations": 3 * max(1, each), "reports": 3})


def _seconds(work: Callable[[], object], device: str) -> float:
    start = time.perf_counter()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def _kernel_seconds(work: Callable[[], object]) -> float:
    """Seconds in which at least one kernel ran."""
    with profile(activities=[ProfilerActivity.CUDA]) as recorded:
        work()
        torch.cuda.synchronize()
    spans = [
        (event.time_range.start, event.time_range.end)
        for event in recorded.events()
        if event.device_type.name == "CUDA"
    ]
    return covered(spans) / 1e6


def _total_bytes(device: str) -> float:
    if device == "cuda":
        free, total = torch.cuda.mem_get_info()
        return float(min(total, free + torch.cuda.memory_reserved() + CONTEXT_BYTES))
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
