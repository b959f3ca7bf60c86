"""The streamed execution: memory and time per scan must not grow with the set size n."""

from collections.abc import Callable
from contextlib import ExitStack

import numpy as np
import torch

from benchmarks.elsewhere import Elsewhere
from benchmarks.measure import Row, compared, interleaved, publish
from benchmarks.step import own_step

SIDE, LARGE_N, LARGE_ROUNDS, PROCESSES = 64, 32, 2, 3
AGAINST_REPLICATED, SMALLER = {8: 24, 16: 16, 32: 10}, 32
"""Rounds by n: 8 and 16 scans of 32^3 fit one pass, 32 take two."""
HELD_TO_IT = (8, 16)
THREADS = 2


def measure() -> None:
    """Print and store the table."""
    publish("stream", "Streamed execution", [*_independent_of_n(), *_against_replicated()])


def _independent_of_n() -> list[Row]:
    """Time and peak memory of sets of 32 scans beside single scans."""
    # Slopes that are zero are skipped, and how many are depends on the weights: these hardly move.
    single = {"n": 1, "learning_rate": 1e-9}
    large = {**single, "n": LARGE_N, "scans_per_step": LARGE_N}
    seconds, peaks = [], []
    # The same process peaks now higher, now lower by a tenth, for where its memory happens to lie.
    for _ in range(PROCESSES):
        with ExitStack() as stack:
            pair = [
                stack.enter_context(Elsewhere(repeated_steps, SIDE, fields, steps, threads=THREADS))
                for fields, steps in ((large, 1), (single, LARGE_N // 4))
            ]
            seconds += [[one.seconds() for one in pair] for _ in range(LARGE_ROUNDS + 1)][1:]
            peaks.append([one.peak_mb() for one in pair])
    what, other = f"n = {LARGE_N} streamed at {SIDE}^3", "n = 1, b = 4"
    many, one = np.array(seconds).T / LARGE_N
    many_mb, one_mb = np.array(peaks).T
    return [
        compared(f"{what}, time per scan", many, other, one, target="<= 1.05"),
        compared(f"{what}, peak memory", many_mb, other, one_mb, target="<= 1.1", unit="MB", scale=1),
    ]


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
