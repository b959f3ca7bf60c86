"""What grows with a study, and how far: a long sweep's driver, tables and report of many trials, many scans.

`python -m benchmarks load`; about 8 minutes on 2 cores. Every figure is of a process of its own.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.large_study import write_large_study
from benchmarks.long_sweep import LOG
from benchmarks.measure import Row, publish
from benchmarks.processes import cost_of

TRIALS, SETTLED = 2000, 400
"""Trials of the long sweep, and after how many its driver is past its beginnings."""
STUDIES = (1_000, 20_000)
SCANS = (200, 2_000)
ALLOWED_S = {("status", 1_000): 1.5, ("findings", 20_000): 120.0, ("report", 20_000): 120.0}
LARGEST_REPORT_MB = 8.0


def measure() -> None:
    """Print and store what was found."""
    with tempfile.TemporaryDirectory(prefix="setsum-load-") as folder:
        root = Path(folder)
        scans = (
            f"Scans of 32^3 voxels, {SCANS[1] * 32**3 * 4 / 1e6:.0f} MB of arrays at {SCANS[1]:,}; 2 threads."
        )
        publish("load-scans", "Preprocessing many scans", list(_cohorts(root)), [scans])
        studies = "5 arms, 10 reports, 60 development scans, 50 confirmations an arm."
        publish("load-studies", "Commands on large studies", list(_studies(root)), [studies])
        driver = (
            "Driver memory is resident and its own; allowed is a twentieth more after five times the trials: "
            "what Optuna keeps of each."
        )
        publish("load-sweep", "A sweep of very short trials", list(_sweep(root / "sweep")), [driver])


def _sweep(root: Path) -> Iterator[Row]:
    """A real sweep of trials that train next to nothing, then its tables again."""
    command = ("benchmarks.long_sweep", str(root), str(TRIALS))
    cost_of(*command)
    log = [json.loads(line) for line in root.with_name(f"{root.name}.{LOG}").read_text().splitlines()]
    at = {line["trials"]: line for line in log}
    early, late = at[SETTLED], at[TRIALS]
    yield _against(
        f"driver's memory after {TRIALS:,} trials",
        late["mb"],
        "MB",
        f"after {SETTLED}",
        early["mb"],
        target="<= 1.05",
    )
    grown = (late["mb"] - early["mb"]) / (TRIALS - SETTLED)
    yield Row(what="driver's growth a trial", ours=1e3 * grown, unit="kB")
    yield _against(
        f"trials a second, the last {SETTLED}",
        SETTLED / (late["seconds"] - at[TRIALS - SETTLED]["seconds"]),
        "1/s",
        f"the first {SETTLED}",
        SETTLED / early["seconds"],
        target=">= 0.8",
    )
    again = cost_of(*command)
    yield Row(what=f"search stage of {TRIALS:,} ended trials: tables only", ours=again.seconds, unit="s")
    yield Row(what="its peak memory", ours=again.peak_mb, unit="MB")


def _studies(root: Path) -> Iterator[Row]:
    """Commands on studies of many trials."""
    for trials in STUDIES:
        study = write_large_study(root / f"study-{trials}", trials)
        for command in ("status", "findings", "report"):
            cost, what = cost_of("study.cli", command, str(study)), f"setsum {command}, {trials:,} trials"
            allowed = ALLOWED_S.get((command, trials))
            if allowed:
                yield _against(what, cost.seconds, "s", "allowed", allowed, target="<= 1")
            else:
                yield Row(what=what, ours=cost.seconds, unit="s")
            yield Row(what=f"{what}: peak memory", ours=cost.peak_mb, unit="MB")
        size = (study / "report.html").stat().st_size / 1e6
        yield _against(
            f"report.html, {trials:,} trials", size, "MB", "allowed", LARGEST_REPORT_MB, target="<= 1"
        )


def _cohorts(root: Path) -> Iterator[Row]:
    """Preprocessing of few and of many scans."""
    few, many = (_preprocessed(root / f"cohort-{scans}", scans) for scans in SCANS)
    what = f"memory taken by preprocessing {SCANS[1]:,} scans"
    yield _against(what, many["mb"], "MB", f"{SCANS[0]} scans", few["mb"], target="")
    yield Row(what=f"preprocessing {SCANS[1]:,} scans", ours=many["seconds"], unit="s")


def _preprocessed(folder: Path, scans: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.many_scans", str(folder), str(scans)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own module
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _against(what: str, ours: float, unit: str, against: str, other: float, *, target: str) -> Row:
    ratio = ours / other
    return Row(
        what=what,
        ours=ours,
        unit=unit,
        against=against,
        other=other,
        ratio=ratio,
        spread=(ratio, ratio),
        target=target,
    )
