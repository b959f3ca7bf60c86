"""The command as a person waits for it, in whole processes: `setsum --help`, and `setsum status` on a
study of 1,000 trials."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.measure import Row, publish
from study.record import StudyDirectory, append_line, write_frame, write_json, write_yaml
from study.regression.config import TrialConfig

TRIALS, REPORTS, ROUNDS, WARMUP = 1000, 10, 11, 2
ARMS = ("base", "dropout", "set_sum", "set_sum_dropout", "blank_only")
COMMAND = (sys.executable, "-c", "from study.cli import main; main()")


def measure() -> None:
    """Time both commands in turn."""
    with tempfile.TemporaryDirectory() as name:
        root = write_study(Path(name) / "study")
        commands = {("--help",): "<= 0.5", ("status", str(root)): "<= 1.5"}
        seconds = {arguments: [run(arguments) for _ in range(WARMUP + ROUNDS)] for arguments in commands}
    rows = []
    for arguments, target in commands.items():
        low, median, high = (float(q) for q in np.quantile(seconds[arguments][WARMUP:], [0.25, 0.5, 0.75]))
        what = f"setsum {arguments[0]}"
        rows.append(Row(what=what, ours=median, unit="s", ratio=median, spread=(low, high), target=target))
    note = f"the study has {TRIALS:,} trials in {len(ARMS)} arms, {REPORTS} reports each; medians of {ROUNDS}"
    publish("command", "the command, whole processes", rows, [note])


def run(arguments: Sequence[str]) -> float:
    """Seconds from starting the process to its end."""
    start = time.perf_counter()
    subprocess.run([*COMMAND, *arguments], check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    return time.perf_counter() - start


def write_study(root: Path) -> Path:
    """The tables of a searched and confirmed study, as the stages write them."""
    rng, place = np.random.default_rng(0), StudyDirectory(root)
    config = TrialConfig()
    described = {f"config.{name}": value for name, value in config.model_dump().items()}
    trials = [
        {
            "arm": ARMS[number % len(ARMS)],
            "trial": number // len(ARMS),
            "status": rng.choice(["completed", "pruned", "diverged", "failed"], p=[0.7, 0.2, 0.05, 0.05]),
            "score": rng.uniform(20, 70),
            "seconds": 12.5,
            "config": config.model_dump_json(),
            **described,
        }
        for number in range(TRIALS)
    ]
    curves = [
        {"arm": trial["arm"], "trial": trial["trial"], "report": report, "mse": rng.uniform(20, 70)}
        for trial in trials
        for report in range(REPORTS)
    ]
    write_yaml(place.settings, {"format": 1, "seed": 7, "arms": list(ARMS), "budget": {"trials": TRIALS}})
    write_json(place.provenance, {"revision": "abc1234", "unit": "voxels"})
    write_frame(place.trials, pd.DataFrame(trials))
    write_frame(place.curves, pd.DataFrame(curves))
    write_frame(place.confirmed, pd.DataFrame(trials[:60]).assign(seed=0))
    append_line(place.test_log, {"time": "2026-01-05T10:30:00+00:00", "cohort": "test"})
    return root
