"""The BCa interval of two arms' ICC difference: 10,000 resamples of 1,977 scans, in processes of their own.

The memory is what the process's peak grows by, so Python and its packages are not counted, nor is
anything that another run left behind.
"""

import json
import resource
import subprocess
import sys
import time

import numpy as np

from benchmarks.measure import Row, publish

SCANS, RESAMPLES, ROUNDS = 1977, 10_000, 7
LIMITS = {"seconds": ("s", "<= 2"), "additional peak memory": ("MB", "<= 500")}


def measure() -> None:
    """Run `once` in fresh processes and compare its medians with the limits."""
    command = [sys.executable, "-c", "from benchmarks.agreement import once; once()"]
    runs = [json.loads(subprocess.check_output(command)) for _ in range(ROUNDS)]  # noqa: S603
    rows = [limited(what, [run[what] for run in runs], *limit) for what, limit in LIMITS.items()]
    low, high = runs[0]["interval"]
    title = f"BCa interval of an ICC difference, {RESAMPLES:,} resamples of {SCANS:,} scans"
    publish("agreement", title, rows, [f"the interval: {low:.5f} to {high:.5f}"])


def limited(what: str, values: list[float], unit: str, target: str) -> Row:
    """A row whose target speaks about the figure itself."""
    low, median, high = (float(value) for value in np.quantile(values, [0.25, 0.5, 0.75]))
    return Row(what=what, ours=median, unit=unit, ratio=median, spread=(low, high), target=target)


def once() -> None:
    """Print seconds, memory in MB and the interval of one call, its imports already done."""
    from analysis.inference import paired_bootstrap

    rng = np.random.default_rng(0)
    labels = rng.lognormal(3, 0.6, SCANS)
    first, second = (labels + rng.normal(0, noise, SCANS) for noise in (6, 8))
    before, start = peak_mb(), time.perf_counter()
    gap = paired_bootstrap(first, second, labels, generator=rng, method="bca", resamples=RESAMPLES)
    seconds = time.perf_counter() - start
    grown = {"seconds": seconds, "additional peak memory": peak_mb() - before}
    print(json.dumps(grown | {"interval": list(gap.icc_interval)}))


def peak_mb() -> float:
    """The process's largest resident memory so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)
