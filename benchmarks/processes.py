"""Memory of processes as the system counts it: resident, private to them, and at its highest."""

import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

LOOK_EVERY_S = 0.02


def resident_mb(pid: int | str = "self") -> float:
    """What a process keeps in memory of its own, in MB: not the files that it has mapped."""
    return _field(pid, "RssAnon")


def peak_mb(pid: int | str = "self") -> float:
    """The most that has been resident of a process so far, mapped files included, in MB."""
    return _field(pid, "VmHWM")


def _field(pid: int | str, name: str) -> float:
    found = re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    # A process that has just ended has none.
    return int(found[1]) * 1024 / 1e6 if found else 0.0


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a process took: wall-clock seconds, and its highest resident memory in MB."""

    seconds: float
    peak_mb: float


def cost_of(*arguments: str) -> Cost:
    """Run a Python module with its arguments as a process of its own.

    Raises:
        RuntimeError: It failed.
    """
    start, peak = time.perf_counter(), 0.0
    process = subprocess.Popen([sys.executable, "-m", *arguments], stdout=subprocess.DEVNULL)  # noqa: S603 - our own modules
    # Not the usage that `wait4` tells: a child's begins with what its parent had in memory.
    while process.poll() is None:
        peak = max(peak, peak_mb(process.pid))
        time.sleep(LOOK_EVERY_S)
    if process.returncode:
        raise RuntimeError(f"`{' '.join(arguments)}` ended with {process.returncode}")
    return Cost(seconds=time.perf_counter() - start, peak_mb=peak)
