"""Memory of processes as the system counts it: resident, private to them, and at its highest."""

import re
from pathlib import Path


def resident_mb(pid: int | str = "self") -> float:
    """What a process keeps in memory of its own, in MB: not the files that it has mapped."""
    return _field(pid, "RssAnon")


def peak_mb(pid: int | str = "self") -> float:
    """The most that has been resident of a process so far, mapped files included, in MB."""
    return _field(pid, "VmHWM")


def _field(pid: int | str, name: str) -> float:
    found = re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 / 1e6 if found else float("nan")
