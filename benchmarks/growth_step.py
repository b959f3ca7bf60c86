"""How a training step grows: time of a scan and memory of the process against grid, n and m."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benchmarks.elsewhere import Elsewhere
from benchmarks.measure import Row, exponent, publish
from study.regression.config import TrialConfig
from study.regression.training import NetworkTraining

SIDES, SETS, COHORTS = (8, 12, 16, 24, 32, 48, 64), (1, 2, 4, 8, 16, 32, 64), (16, 64, 256, 1024)
SIDE, SCANS = 24, 4
ROUNDS, THREADS = 5, 2


def mapped_step(file: str, side: int, scans: int, fields: dict[str, object]) -> Callable[[], float]:
    """A step of the product on a memory-mapped cohort, as trials read it."""
    images = np.memmap(file, dtype=np.float32, mode="r", shape=(scans, side, side, side))
    labels = np.random.default_rng(0).uniform(1, 9, scans)
    config = TrialConfig.model_validate({"presentations": 10**9, **fields})
    training = NetworkTraining(config, images, labels, seeds=np.random.SeedSequence(0))
    training.network.train()
    return training._step


def measure() -> None:
    """The table and the figure."""
    with TemporaryDirectory() as folder:
        points = [
            *(("voxels", side**3, _point(folder, side, 64, {"n": 1})) for side in SIDES),
            *(("n", n, _point(folder, SIDE, 64, {"n": n, "scans_per_step": max(n, SCANS)})) for n in SETS),
            *(("m", scans, _point(folder, SIDE, scans, {"n": 1})) for scans in COHORTS),
        ]
    table = pd.DataFrame([{"against": name, "size": size, **point} for name, size, point in points])
    figure = growth_figure(table)
    title = f"A step's time a scan and the process's peak memory ({SIDE}^3 where the grid is fixed)"
    publish("growth-step", title, _rows(table), figure=figure)


def growth_figure(table: pd.DataFrame) -> Figure:
    """Time and memory on logarithmic axes, one column a cause of growth."""
    figure = Figure(figsize=(10, 5.6), layout="constrained")
    axes = figure.subplots(2, 3, sharex="col")
    for column, (name, part) in enumerate(table.groupby("against", sort=False)):
        for row, (value, what) in enumerate((("ms", "ms a scan"), ("mb", "peak memory [MB]"))):
            slope = exponent(part["size"], part[value])
            axes[row, column].loglog(part["size"], part[value], "o-", label=f"exponent {slope:.2f}")
            axes[row, column].set_ylabel(what)
            axes[row, column].legend()
            low, high = part[value].min(), part[value].max()
            axes[row, column].set_ylim(low / 2, high * 2)
        axes[1, column].set_xlabel(str(name))
    return figure


def _point(folder: str, side: int, scans: int, fields: dict[str, object]) -> dict[str, float]:
    """Median milliseconds a scan of a step, and MB of its process at most."""
    file = Path(folder) / f"{side}-{scans}.f32"
    if not file.exists():
        np.random.default_rng(0).standard_normal((scans, side**3), dtype=np.float32).tofile(file)
    each = int(str(fields.get("scans_per_step", SCANS)))
    with Elsewhere(mapped_step, str(file), side, scans, fields, threads=THREADS) as step:
        seconds = [step.seconds() for _ in range(ROUNDS + 1)][1:]
        return {"ms": 1e3 * float(np.median(seconds)) / each, "mb": step.peak_mb()}


def _rows(table: pd.DataFrame) -> list[Row]:
    rows = []
    for one in table.itertuples():
        what = f"{one.against} = {one.size}"
        rows += [
            Row(what=f"{what}: time a scan", ours=one.ms, unit="ms"),
            Row(what=f"{what}: peak memory", ours=one.mb, unit="MB"),
        ]
    for name, part in table.groupby("against", sort=False):
        for value, what in (("ms", "time a scan"), ("mb", "peak memory")):
            slope = exponent(part["size"], part[value])
            rows.append(Row(what=f"exponent of {what} in {name}", ours=slope, unit=""))
    return rows
