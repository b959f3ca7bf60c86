"""What the driver keeps of a running sweep: every result, a line each, and a word on progress.

`results.jsonl` of a run is on disk line by line, because Ray's own files reach the study
directory minutes late. States of ended trials are removed, before checkpoints fill the disk.
"""

import json
import os
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.result import SHOULD_CHECKPOINT

from study.badinput import BadInput
from study.record import write_text
from study.sweep.place import Place, below, check_place, folders, remove_folder
from study.sweep.results import RESULTS
from study.sweep.spent import let_go
from study.sweep.stopping import Stopping

KEPT = (
    *("trial", "status", "reason", "report", "presentations", "steps", "train_loss", "mse", "mae", "icc"),
    *(
        "train_mse",
        "train_mae",
        "shift",
        "blank_response",
        "score",
        "smoothed",
        "final_score",
        "seconds",
        "peak_memory_mb",
        "host",
        "verdict",
    ),
    "oof",
)

TRACES = "errors"
"""Folder of an arm with a text file for each trial that failed."""

Progress = Callable[[Mapping[str, object]], None]


class Recorder(tune.Callback):
    """Writes each result of a run and tells the progress of its arm.

    Args:
        run: Directory of the run.
        arm: Its name.
        states: Where the checkpoints of all the arm's runs lie.
        progress: Called with `arm`, `running`, `done`, `failed`, `pruned`, `best` (the lowest final
            score or None), `reports`, `reports_total`.
        counts: Trials that ended in earlier runs: `done`, `failed`, `pruned`, and `best`.
        reports: Reports of a whole trial.
        trials: Trials of the arm in all; 0 when hours decide.
        pruned: Ray ids of the trials that the scheduler stopped early.
        stopping: Told of failures, and of trials that are saved before the sweep ends.
        patience: Seconds without a report after which a trial's process counts as hung and is ended.
    """

    def __init__(
        self,
        run: Path,
        arm: str,
        *,
        states: Place,
        progress: Progress,
        counts: Mapping[str, Any],
        reports: int,
        trials: int,
        pruned: Collection[str],
        stopping: Stopping,
        patience: float,
    ) -> None:
        self.path, self.arm, self.progress, self.pruned = run / RESULTS, arm, progress, pruned
        self.place = states
        self.counts, self.reports_each, self.trials = dict(counts), reports, trials
        self.stopping, self.patience = stopping, patience
        self.stopping.failed = self.counts["failed"]
        self.running: dict[str, int] = {}
        self.heard: dict[str, float] = {}
        self.watched: dict[str, Trial] = {}
        self.over: list[Trial] = []
        self.hung: set[str] = set()
        self.start = time.monotonic()

    def __getstate__(self) -> dict[str, Any]:
        """Ray stores its callbacks with the experiment; nothing reads them back."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: object) -> None:
        self.running[trial.trial_id] = 0
        self.heard[trial.trial_id] = time.monotonic()
        self.watched[trial.trial_id] = trial
        self.stopping.unsaved.add(trial.trial_id)
        # Ray makes it with the first checkpoint; it also says that the trial was started.
        (self.path.parent / trial_folder(trial.config["trial"])).mkdir(exist_ok=True)
        self._write({"started": trial.config["trial"], "config": trial.config["config"]})
        self._tell()

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: object
    ) -> None:
        self._write({name: result[name] for name in KEPT})
        if result["trace"]:
            self._keep_trace(trial, result["trace"])
        self.running[trial.trial_id] = result["report"]
        self.heard[trial.trial_id] = time.monotonic()
        if self.stopping.asked.is_set():
            result[SHOULD_CHECKPOINT] = True
        self._tell()

    def on_checkpoint(
        self,
        iteration: int,
        trials: list[Trial],
        trial: Trial,
        checkpoint: tune.Checkpoint,
        **info: object,
    ) -> None:
        """Remove the checkpoints that this one supersedes.

        Asked to do so (`num_to_keep`), Ray writes the state of all trials anew each time.
        """
        kept = Path(checkpoint.path).name
        here = below(self.place, self.path.parent.name, trial_folder(trial.config["trial"]))
        with suppress(OSError):
            for name in folders(here, "checkpoint_"):
                if name != kept:
                    remove_folder(below(here, name))
        if self.stopping.asked.is_set():
            self.stopping.unsaved.discard(trial.trial_id)

    def on_step_end(self, iteration: int, trials: list[Trial], **info: object) -> None:
        """End the process of a trial that has not been heard of for too long: Ray starts it again."""
        self.over = let_go(self.over)
        now = time.monotonic()
        # Not over `trials`: they are all there ever were, and this is called for every event.
        for name, since in list(self.heard.items()):
            actor = self.watched[name].temporary_state.ray_actor
            if actor is not None and now - since > self.patience:
                self.heard[name] = now
                self.hung.add(name)
                ray.kill(actor)

    def on_trial_recover(self, iteration: int, trials: list[Trial], trial: Trial, **info: object) -> None:
        """Its process or its node was lost; it waits to be started again."""
        self.heard.pop(trial.trial_id, None)
        self.running.pop(trial.trial_id, None)
        self._tell()
        # No trial's fault, and none is to count as failed for it.
        try:
            check_place(self.place)
        except BadInput as error:
            raise OSError(f"{error.where}: {error.what}") from None

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: object) -> None:
        status = trial.last_result.get("status", "running")
        if status == "running" and trial.trial_id not in self.pruned:
            return
        if status == "completed":
            score = trial.last_result["final_score"]
            self.counts["best"] = min(score, self.counts["best"] or score)
        if status == "running":
            self._write({"pruned": trial.config["trial"]})
        ended = {"completed": "done", "running": "pruned"}.get(status, "failed")
        self._ended(trial, ended)
        self._forget_states(trial_folder(trial.config["trial"]))

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: object) -> None:
        trace = _trace(trial)
        hung = f"nothing was heard of it for {self.patience / 60:g} minutes"
        reason = hung if trial.trial_id in self.hung else _reason(trace)
        self._write({"trial": trial.config["trial"], "status": "failed", "reason": reason})
        self._keep_trace(trial, trace)
        self._ended(trial, "failed")

    def on_experiment_end(self, trials: list[Trial], **info: object) -> None:
        self._write({})

    def _ended(self, trial: Trial, how: str) -> None:
        for kept in (self.running, self.heard, self.watched):
            kept.pop(trial.trial_id, None)
        self.over.append(trial)
        self.stopping.unsaved.discard(trial.trial_id)
        self.counts[how] += 1
        self.stopping.failed = self.counts["failed"]
        self._tell()

    def _write(self, row: dict[str, Any]) -> None:
        line = json.dumps(row | {"clock": time.monotonic() - self.start})
        with self.path.open("ab") as stream:
            stream.write(line.encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())

    def _forget_states(self, folder: str) -> None:
        """Remove the checkpoints of an ended trial in all runs; the run directories here say in which."""
        for begun in self.path.parent.parent.glob(f"run-*/{folder}"):
            here = below(self.place, begun.parent.name, folder)
            with suppress(OSError):
                for name in folders(here, "checkpoint_"):
                    remove_folder(below(here, name))

    def _keep_trace(self, trial: Trial, trace: str) -> None:
        write_text(self.path.parent.parent / TRACES / f"{trial_folder(trial.config['trial'])}.txt", trace)

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


def trial_folder(number: int) -> str:
    """Name of a trial's folder within a run."""
    return f"trial-{number:05d}"


def _reason(trace: str) -> str:
    """The first sentence of the last line."""
    last = next((line.strip() for line in reversed(trace.splitlines()) if line.strip()), "unknown")
    return last.split(". ")[0]


def _trace(trial: Trial) -> str:
    """What Ray wrote down about the failure."""
    path = Path(trial.error_file or "")
    return path.read_text() if path.is_file() else ""
