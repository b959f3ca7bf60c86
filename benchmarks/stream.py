"""The streamed execution: memory and time per scan must not grow with the set size n."""

from collections.abc import Callable
from contextlib import ExitStack

import numpy as np
import torch

from benchmarks.elsewhere import Elsewhere
from benchmarks.measure import Row, compared, interleaved, publish
from benchmarks.step import own_step

SIDE, LARGE_N, LARGE_ROUNDS = 64, 32, 3
AGAINST_REPLICATED, SMALLER = {8: 24, 16: 16, 32: 10}, 32
"""Rounds by n: 8 and 16 scans of 32^3 fit one pass, 32 take two."""
HELD_TO_IT = (8, 16)
THREADS = 2


def measure() -> None:
    """Print and store the table."""
    publish("stream", "Streamed execution", [*_independent_of_n(), *_against_replicated()])


def _independent_of_n() -> list[Row]:
    """Time and peak memory of sets of 32 scans beside single scans."""
    large = {"n": LARGE_N, "scans_per_step": LARGE_N}
    with ExitStack() as stack:
        many, one = (
            stack.enter_context(Elsewhere(repeated_steps, SIDE, fields, steps, threads=THREADS))
            for fields, steps in ((large, 1), ({"n": 1}, LARGE_N // 4))
        )
        seconds = np.array([[many.seconds(), one.seconds()] for _ in range(LARGE_ROUNDS + 1)])[1:]
        peaks = many.peak_mb(), one.peak_mb()
    what = f"n = {LARGE_N} streamed at {SIDE}^3"
    per_scan = compared(
        f"{what}, time per scan",
        seconds[:, 0] / LARGE_N,
        "n = 1, b = 4",
        seconds[:, 1] / LARGE_N,
        target="<= 1.05",
    )
    ratio = peaks[0] / peaks[1]
    memory = Row(
        what=f"{what}, peak memory of the process",
        ours=peaks[0],
        unit="MB",
        against="n = 1, b = 4",
        other=peaks[1],
        ratio=ratio,
        spread=(ratio, ratio),
        target="<= 1.1",
    )
    return [per_scan, memory]


def _against_replicated() -> list[Row]:
    # In one process: two that do the very same differ by some per cent, for where their memory lies.
    torch.set_num_threads(THREADS)
    rows = []
    for n, rounds in AGAINST_REPLICATED.items():
        fields = {"n": n, "scans_per_step": n}
        steps = {
            execution: own_step(SMALLER, {**fields, "execution": execution}, 2 * n)
            for execution in ("streamed", "replicated")
        }
        seconds = interleaved(steps, rounds=rounds)
        what = f"n = {n} streamed at {SMALLER}^3, time per scan"
        streamed, replicated = seconds["streamed"] / n, seconds["replicated"] / n
        target = "<= 1.02" if n in HELD_TO_IT else ""
        rows.append(compared(what, streamed, "replicated", replicated, target=target))
    return rows


def repeated_steps(side: int, fields: dict[str, object], steps: int) -> Callable[[], None]:
    """So many steps of one training."""
    step = own_step(side, fields, LARGE_N)

    def run() -> None:
        for _ in range(steps):
            step()

    return run
