"""How busy this machine is, in a few words, looked up now and then at next to no cost."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable

EVERY_S = 5.0
"""Seconds for which an answer is kept."""
PATIENCE_S = 2.0
"""Seconds after which the driver's tool is given up."""
QUERY = "--query-gpu=utilization.gpu,memory.used,memory.total"


def usage_reader(
    clock: Callable[[], float] = time.monotonic,
) -> Callable[[], str]:
    """A function that says how busy the GPUs are, or the CPUs where there is none.

    The driver's own tool is asked: to ask through torch would take half a gigabyte of each GPU.
    """
    tool = shutil.which("nvidia-smi")
    kept, until = "", float("-inf")

    def usage() -> str:
        nonlocal kept, until
        if clock() >= until:
            kept = (gpu_usage(tool) if tool else "") or cpu_usage()
            until = clock() + EVERY_S
        return kept

    return usage


def cpu_usage() -> str:
    """Processes that want to run, beside the CPUs there are; empty where the system does not say."""
    try:
        return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs"
    except OSError:
        return ""


def gpu_usage(tool: str) -> str:
    """Share of the time each GPU computes and its memory in use; empty where the driver does not answer."""
    try:
        done = subprocess.run(  # noqa: S603 - our own words only
            [tool, QUERY, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE_S,
            # A Ctrl-C is the study's to hear.
            start_new_session=True,
        )
        rows = [
            [float(cell) for cell in line.split(",")] for line in done.stdout.splitlines() if line.strip()
        ]
        said = [
            f"GPU {number} {busy:.0f}%, {used / 1024:.1f} of {total / 1024:.0f} GiB"
            for number, (busy, used, total) in enumerate(rows)
        ]
    except (OSError, subprocess.SubprocessError, ValueError):
        return ""
    return "; ".join(said)
