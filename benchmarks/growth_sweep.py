"""How a sweep grows: wall time against trials and workers, study directory against trials.

Trials are so short that what is measured is the harness, not the training. Exponents are slopes of
straight lines through the logarithms; the time of a whole sweep has a constant part (the workers'
start), so the seconds of a trial more stand beside its exponent.
"""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console

from benchmarks.measure import Row, exponent, publish
from study.pipeline.prepare import prepare
from study.pipeline.progress import Progress
from study.pipeline.search import search
from study.settings import StudySettings, read_settings
from study.sweep.cluster import start_ray

TRIALS, WORKERS = (4, 8, 16, 32, 64), (1, 2)
FIELDS = (
    *("arms=[base]", "phantom.scans=24", "phantom.shape=[10,10,10]", "preprocessing.shape=[8,8,8]"),
    *("split.test=8", "budget.presentations=16", "precision=float32"),
    "training={reports: 4, views: 1, translation: 0.5}",
)


@dataclass(frozen=True, kw_only=True)
class Growth:
    """`sweeps`: trials, workers, seconds, kib (without the scans), files; `exponents`: what, exponent."""

    sweeps: pd.DataFrame
    exponents: pd.DataFrame


def sweep_growth(trials: Sequence[int] = TRIALS, workers: Sequence[int] = WORKERS) -> Growth:
    """Sweep every number of trials with every number of workers, each in a study of its own."""
    rows = []
    for count in workers:
        with start_ray(cpus=count):
            _sweep(_settings(min(trials)))  # The first one pays for what is loaded once.
            rows += [{"trials": each, "workers": count, **_sweep(_settings(each))} for each in trials]
    sweeps = pd.DataFrame(rows)
    slopes = [
        {"what": f"seconds, {count} workers", "exponent": exponent(part["trials"], part["seconds"])}
        for count, part in sweeps.groupby("workers")
    ]
    for column in ("kib", "files"):
        means = sweeps.groupby("trials")[column].mean()
        slopes.append({"what": column, "exponent": exponent(means.index, means)})
    return Growth(sweeps=sweeps, exponents=pd.DataFrame(slopes))


def growth_figure(growth: Growth) -> Figure:
    """Both curves on logarithmic axes."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    slopes = growth.exponents.set_index("what")["exponent"]
    for count, part in growth.sweeps.groupby("workers"):
        label = (
            f"{count} worker{'s' if count > 1 else ''}, exponent {slopes[f'seconds, {count} workers']:.2f}"
        )
        left.loglog(part["trials"], part["seconds"], "o-", label=label)
    sizes = growth.sweeps.groupby("trials")[["kib", "files"]].mean()
    right.loglog(sizes.index, sizes["kib"], "o-", label=f"KiB, exponent {slopes['kib']:.2f}")
    right.loglog(sizes.index, sizes["files"], "s-", label=f"files, exponent {slopes['files']:.2f}")
    for axes, title in ((left, "wall time of a sweep [s]"), (right, "study directory, without the scans")):
        axes.set(title=title, xlabel="trials")
        axes.set_xticks(sizes.index, [str(size) for size in sizes.index])
        axes.minorticks_off()
        axes.legend()
    return figure


def measure() -> None:
    """The table and the figure."""
    growth = sweep_growth()
    figure = growth_figure(growth)
    publish("growth-sweep", "A sweep of very short trials", _rows(growth), figure=figure)


def _rows(growth: Growth) -> list[Row]:
    rows = [
        Row(what=f"{one.trials} trials, {one.workers} workers: wall", ours=one.seconds, unit="s")
        for one in growth.sweeps.itertuples()
    ]
    last = growth.sweeps[growth.sweeps["workers"] == growth.sweeps["workers"].max()]
    for one in last.itertuples():
        rows.append(Row(what=f"{one.trials} trials: study directory", ours=one.kib, unit="KiB"))
        rows.append(Row(what=f"{one.trials} trials: study directory", ours=one.files, unit="files"))
    for count, part in growth.sweeps.groupby("workers"):
        slope, _ = np.polyfit(part["trials"], part["seconds"], 1)
        rows.append(Row(what=f"a trial more, {count} workers", ours=float(slope), unit="s"))
    return rows + [
        Row(what=f"exponent of {one.what}", ours=one.exponent, unit="")
        for one in growth.exponents.itertuples()
    ]


def _settings(trials: int) -> StudySettings:
    return read_settings(None, [*FIELDS, f"budget.trials={trials}"])


def _sweep(settings: StudySettings) -> dict[str, float]:
    silent = Progress(Console(quiet=True))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "study"
        prepared = prepare(settings, root, silent)
        start = time.perf_counter()
        search(prepared, silent)
        seconds = time.perf_counter() - start
        files = [
            path
            for path in root.rglob("*")
            if path.is_file() and path.relative_to(root).parts[0] not in ("phantom", "cohort")
        ]
        return {
            "seconds": seconds,
            "kib": sum(path.stat().st_size for path in files) / 1024,
            "files": len(files),
        }
