"""Facts about this machine: CPUs, native bfloat16, memory, GPUs, disks."""

import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

NATIVE = ("avx512_bf16", "amx_bf16", "bf16", "svebf16")
"""What CPUs that multiply in bfloat16 call it; the last two are ARM's."""
GPU_NATIVE = 8
"""Compute capability of NVIDIA's first GPUs that do."""
_CPUINFO, _MEMINFO = Path("/proc/cpuinfo"), Path("/proc/meminfo")


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A GPU that torch sees; memory in bytes."""

    name: str
    free: int
    total: int
    bfloat16: bool


def cpu_name() -> str:
    """The processor's model, or its architecture where the system does not say."""
    return next(iter(_cpuinfo("model name")), "") or platform.processor() or platform.machine()


def native_bfloat16() -> str:
    """The CPU's instructions for bfloat16, empty where it has none or the system does not say."""
    flags = {word for line in (*_cpuinfo("flags"), *_cpuinfo("Features")) for word in line.split()}
    return ", ".join(name for name in NATIVE if name in flags)


def memory() -> tuple[int, int] | None:
    """Available and total bytes; None where the system does not say."""
    try:
        rows = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines())
        available, total = (int(rows[name].split()[0]) * 1024 for name in ("MemAvailable", "MemTotal"))
    except (OSError, KeyError, ValueError):
        return None
    limit = _container_limit()
    return (available, total) if limit is None else (min(available, limit), min(total, limit))


def gpus() -> list[Gpu]:
    """The GPUs that torch can use."""
    found = []
    for number in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(number)
        native = torch.cuda.get_device_capability(number)[0] >= GPU_NATIVE
        found.append(Gpu(name=torch.cuda.get_device_name(number), free=free, total=total, bfloat16=native))
    return found


def driver_without_torch() -> bool:
    """Whether NVIDIA's driver is installed and torch sees no GPU all the same."""
    return shutil.which("nvidia-smi") is not None and not torch.cuda.is_available()


def free_disk(folder: Path) -> int:
    """Free bytes where a folder lies, or will lie."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(there).free


def available_cpus() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _container_limit() -> int | None:
    """Bytes that the container may take, where it has a limit."""
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            return int(Path(name).read_text())
        except (OSError, ValueError):
            continue
    return None


def _cpuinfo(field: str) -> list[str]:
    try:
        lines = _CPUINFO.read_text().splitlines()
    except OSError:
        return []
    return [line.partition(":")[2].strip() for line in lines if line.split(":")[0].strip() == field][:1]
