"""What the driver keeps of a running sweep: every result, a line each, and a word on progress.

`results.jsonl` of a run is on disk line by line, because Ray's own files reach the study
directory minutes late. States of ended trials are removed, before checkpoints fill the disk.
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.experiment import Trial

from study.record import read_lines

RESULTS = "results.jsonl"
KEPT = (
    *("trial", "status", "reason", "report", "presentations", "steps", "train_loss", "mse", "mae", "icc"),
    *("shift", "blank_response", "score", "smoothed", "seconds", "peak_memory_mb", "host", "oof"),
)

Progress = Callable[[Mapping[str, object]], None]


class Recorder(tune.Callback):
    """Writes each result of a run and tells the progress of its arm.

    Args:
        run: Directory of the run.
        arm: Its name.
        progress: Called with `arm`, `running`, `done`, `failed`, `pruned`, `best` (the lowest final
            score or None), `reports`, `reports_total`.
        counts: Trials that ended in earlier runs: `done`, `failed`, `pruned`, and `best`.
        reports: Reports of a whole trial.
        trials: Trials of the arm in all; 0 when hours decide.
        pruned: Ray ids of the trials that the scheduler stopped early.
    """

    def __init__(
        self,
        run: Path,
        arm: str,
        *,
        progress: Progress,
        counts: Mapping[str, Any],
        reports: int,
        trials: int,
        pruned: Collection[str],
    ) -> None:
        self.path, self.arm, self.progress, self.pruned = run / RESULTS, arm, progress, pruned
        self.counts, self.reports_each, self.trials = dict(counts), reports, trials
        self.running: dict[str, int] = {}
        self.start = time.monotonic()

    def __getstate__(self) -> dict[str, Any]:
        """Ray stores its callbacks; a progress display does not go into a file, and nothing reads it back."""
        return {name: value for name, value in vars(self).items() if name != "progress"}

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: object) -> None:
        self.running[trial.trial_id] = 0
        self._tell()

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: object
    ) -> None:
        self._write({name: result[name] for name in KEPT})
        self.running[trial.trial_id] = result["report"]
        self._tell()

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: object) -> None:
        status = trial.last_result.get("status", "running")
        if status == "running" and trial.trial_id not in self.pruned:
            return
        if status == "completed":
            score = trial.last_result["final_score"]
            self.counts["best"] = min(score, self.counts["best"] or score)
        ended = {"completed": "done", "running": "pruned"}.get(status, "failed")
        self._ended(trial, ended)
        forget_states(self.path.parent.parent, trial.config["trial"])

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: object) -> None:
        self._write({"trial": trial.config["trial"], "status": "failed", "reason": _reason(trial)})
        self._ended(trial, "failed")

    def on_experiment_end(self, trials: list[Trial], **info: object) -> None:
        self._write({})

    def _ended(self, trial: Trial, how: str) -> None:
        self.running.pop(trial.trial_id, None)
        self.counts[how] += 1
        self._tell()

    def _write(self, row: dict[str, Any]) -> None:
        line = json.dumps(row | {"clock": time.monotonic() - self.start})
        with self.path.open("ab") as stream:
            stream.write(line.encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())

    def _tell(self) -> None:
        ended = self.counts["done"] + self.counts["failed"] + self.counts["pruned"]
        self.progress(
            {
                "arm": self.arm,
                "running": len(self.running),
                **self.counts,
                "reports": ended * self.reports_each + sum(self.running.values()),
                "reports_total": max(self.trials, ended + len(self.running)) * self.reports_each,
            }
        )


def read_results(sweep: Path) -> dict[int, list[dict[str, Any]]]:
    """All recorded lines of an arm by trial number, runs in order.

    Where a later run repeats a report, the later line stands; lines without a report come last.
    """
    found: dict[int, dict[object, dict[str, Any]]] = {}
    for run in sorted(sweep.glob("run-*")):
        for line in filter(lambda line: "trial" in line, read_lines(run / RESULTS)):
            found.setdefault(line["trial"], {})[line.get("report", "end")] = line
    return {
        number: sorted(lines.values(), key=lambda line: line.get("report", float("inf")))
        for number, lines in sorted(found.items())
    }


def seconds_used(sweep: Path) -> float:
    """Wall-clock seconds that an arm's runs have worked so far; of a killed one, up to its last result."""
    runs = (read_lines(run / RESULTS) for run in sweep.glob("run-*"))
    return sum(float(lines[-1]["clock"]) for lines in runs if lines)


def forget_states(sweep: Path, number: int) -> None:
    """Remove the checkpoints of an ended trial in all runs."""
    for directory in sweep.glob(f"run-*/trial-{number:05d}/checkpoint_*"):
        shutil.rmtree(directory, ignore_errors=True)


def _reason(trial: Trial) -> str:
    """The last line of what Ray wrote down about the failure."""
    path = Path(trial.error_file or "")
    lines = path.read_text().splitlines() if path.is_file() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "unknown")
