"""How often intervals hold the truth and tests reject a true null, by simulation.

`python -m analysis.calibration` (a quarter hour of two cores; `--runs 200` for a look) draws studies from
`analysis.populations`, whose ICC is known, and writes the table that ships with this package:
`analysis.coverage` chooses the default methods by it and tells their coverage beside every interval.

A run is one study of two arms: all interval methods share its resamples. Runs come in batches, each with
its own generator, so that the table is the same whatever the number of processes.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np
import pandas as pd

from analysis.bootstrap import METHODS, Estimate, Interval
from analysis.coverage import TABLE
from analysis.estimates import estimates
from analysis.inference import ICC_METHODS, icc_interval, icc_limits, swap_permutation, williams, zou_interval
from analysis.populations import DISTRIBUTIONS, ICC, Distribution, draw_study, pearson
from analysis.resampling import draw_resamples
from study.agreement import Floats, icc
from study.record import write_text

LEVEL = 0.95
SCANS = (30, 60, 200)
RESAMPLES = 499
"""Of each bootstrap and permutations of each test; a study takes 9,999."""
BATCH = 100
"""Runs that share a generator."""
PROCESSES = 2

Outcome = tuple[str, str, str]
"""kind (`coverage` or `rejection`), quantity, method."""


class Cell(NamedTuple):
    """What the runs of a cell share."""

    distribution: Distribution
    biased: bool
    """Whether the second arm is, at the same ICC; if not, the arms are exchangeable."""
    scans: int


def cells(scans: Sequence[int] = SCANS) -> list[Cell]:
    """Every distribution, with and without bias, at every number of scans."""
    return [Cell(*each) for each in product(DISTRIBUTIONS, (False, True), scans)]


def run(cell: Cell, generator: np.random.Generator, resamples: int = RESAMPLES) -> dict[Outcome, bool]:
    """One study: which intervals held the truth, and which tests rejected at 1 - `LEVEL`.

    Intervals of the ICC are those of the second arm. That an interval of a difference excludes zero is
    a test, too, wherever zero is true: one that rejects as often as the interval fails.
    """
    arms_2M, labels_M = draw_study(*cell, generator)
    blocks = draw_resamples(cell.scans, resamples, generator)
    second, gap = estimates(arms_2M, labels_M, blocks, [[0, 1], [1, -1]], "A,1")
    limits = {("icc", "F"): icc_interval(arms_2M[1], labels_M, level=LEVEL)}
    limits |= {
        ("icc", method): icc_limits(second.icc, method, LEVEL) for method in ICC_METHODS if method != "F"
    }
    limits |= _limits("icc_difference", gap.icc) | _limits("mse_difference", gap.mse)
    r = np.corrcoef([labels_M, *arms_2M])
    correlations = float(r[0, 1]), float(r[0, 2]), float(r[1, 2])
    limits["pearson_difference", "zou"] = zou_interval(*correlations, cell.scans, LEVEL)
    truth = {"icc": ICC, "pearson_difference": pearson(biased=False) - pearson(cell.biased)}
    held = {
        ("coverage", quantity, method): low <= truth.get(quantity, 0.0) <= high
        for (quantity, method), (low, high) in limits.items()
    }
    return held | _rejections(arms_2M, labels_M, correlations, generator, resamples)


def batch(
    cell: Cell, number: int, seed: int, runs: int = BATCH, resamples: int = RESAMPLES
) -> Counter[Outcome]:
    """How often each outcome of `run` was true in the batch of this number."""
    name = f"{cell.distribution} {cell.biased} {cell.scans}"
    generator = np.random.default_rng([seed, crc32(name.encode()), number])
    counts: Counter[Outcome] = Counter()
    for _ in range(runs):
        counts.update({outcome: int(true) for outcome, true in run(cell, generator, resamples).items()})
    return counts


def simulate(
    runs: int, seed: int = 0, *, resamples: int = RESAMPLES, processes: int = PROCESSES
) -> pd.DataFrame:
    """The table of all cells, `runs` each (rounded up to whole batches); progress goes to standard error.

    Returns:
        A row a cell and outcome: kind, distribution, biased, scans, quantity, method, runs, resamples,
        rate (share of the runs), mc_error (its standard error).
    """
    batches = -(-runs // BATCH)
    # Batches outside, cells inside: whatever is done tells how long the rest will take.
    jobs = [(cell, number) for number in range(batches) for cell in cells()]
    counts: dict[Cell, Counter[Outcome]] = {cell: Counter() for cell in cells()}
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        found = pool.map(
            batch, *zip(*jobs, strict=True), *([value] * len(jobs) for value in (seed, BATCH, resamples))
        )
        for (cell, _), result in zip(jobs, _watched(found, len(jobs)), strict=True):
            counts[cell].update(result)
    return table_of(counts, batches * BATCH, resamples)


def table_of(counts: dict[Cell, Counter[Outcome]], runs: int, resamples: int) -> pd.DataFrame:
    """The table of `simulate` from how often each outcome was true."""
    rows = [
        {**cell._asdict(), "kind": kind, "quantity": quantity, "method": method, "rate": count / runs}
        for cell, outcomes in counts.items()
        for (kind, quantity, method), count in outcomes.items()
    ]
    table = pd.DataFrame(rows)
    table["runs"], table["resamples"] = runs, resamples
    table["mc_error"] = np.sqrt(table["rate"] * (1 - table["rate"]) / runs).round(5)
    first = ["kind", "quantity", "method", *Cell._fields]
    return table[[*first, "runs", "resamples", "rate", "mc_error"]].sort_values(first, ignore_index=True)


def _limits(quantity: str, estimate: Estimate) -> dict[tuple[str, str], Interval]:
    return {(quantity, method): interval(estimate, LEVEL, None) for method, interval in METHODS.items()}


def _rejections(
    arms_2M: Floats,
    labels_M: Floats,
    correlations: tuple[float, float, float],
    generator: np.random.Generator,
    resamples: int,
) -> dict[Outcome, bool]:
    first, second = arms_2M
    scans = labels_M.size
    swap = swap_permutation(first, second, labels_M, generator=generator, permutations=resamples)
    iccs = float(icc(first, labels_M)), float(icc(second, labels_M)), float(icc(first, second))
    p_values = {
        ("icc", "swap"): swap.icc,
        ("mse", "swap"): swap.mse,
        ("icc", "williams"): williams(*iccs, scans)[1],
        ("pearson", "williams"): williams(*correlations, scans)[1],
    }
    return {("rejection", *which): p <= 1 - LEVEL + 1e-12 for which, p in p_values.items()}


def _watched(found: Iterator[Counter[Outcome]], jobs: int) -> Iterator[Counter[Outcome]]:
    start = time.monotonic()
    for done, result in enumerate(found, start=1):
        yield result
        if done % max(1, jobs // 100) == 0 or done == jobs:
            left = (time.monotonic() - start) / done * (jobs - done) / 60
            print(
                f"{done * BATCH:,} of {jobs * BATCH:,} runs, {left:.0f} min left", file=sys.stderr, flush=True
            )


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate and write the table."""
    parser = argparse.ArgumentParser("analysis.calibration", description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000, help="studies a cell (default 10,000)")
    parser.add_argument("--out", type=Path, default=TABLE, help="the CSV (default: that of this package)")
    chosen = parser.parse_args(arguments)
    if chosen.runs < 1:
        parser.error(f"--runs must be 1 or more, but got {chosen.runs}")
    write_text(chosen.out, simulate(chosen.runs).to_csv(index=False))


if __name__ == "__main__":
    main()
