"""A search as others may follow it: curves of each trial, pooled and by fold, over presentations.

Computed in the driver from the results that are recorded anyway, so that a trial's numbers do not
know of it. Only development scans are in them. Whatever a tracker does wrong, the search goes on.
"""

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray import tune
from ray.tune.experiment import Trial

from study.agreement import mae, mse
from study.cohort.split import Fold
from study.password import mask
from study.sweep.results import Results
from study.sweep.task import SweepTask
from study.sweep.trackers import OFFLINE, Kind, Told, Tracker, digest, make_tracker

Note = Callable[[str], None]
LOSSES = {"mse": mse, "mae": mae}


@contextmanager
def tracked(task: SweepTask, pruned: Collection[str], note: Note) -> Iterator[list[tune.Callback]]:
    """The callbacks that track one run of a search, while it lasts; none where the study asks for none.

    Args:
        task: The search.
        pruned: Ray ids of the trials that the scheduler stopped early; filled while the search runs.
        note: Told once of each tracker that fails.
    """
    if not task.tracking:
        yield []
        return
    with _environment():
        tracking = Tracking(task, pruned, note)
        try:
            yield [tracking]
        finally:
            tracking.close()


class Tracking(tune.Callback):
    """Tells each tracker of every report that no earlier run has told.

    Args:
        task: The search.
        pruned: Ray ids of the trials that the scheduler stopped early.
        note: Told once of each tracker that fails.
    """

    def __init__(self, task: SweepTask, pruned: Collection[str], note: Note) -> None:
        self.task, self.pruned, self.note = task, pruned, note
        self.study = task.directory.resolve().parents[1]
        self.labels_M = task.assignment().labels_M
        self.trackers: dict[Kind, Tracker] = {}
        self.trials: dict[str, Told] = {}
        self.told = {number: _last_report(rows) for number, rows in Results(task.directory).items()}
        for kind in task.tracking:
            with self._bearing(kind):
                self.trackers[kind] = make_tracker(
                    kind, self.study / "tracking", str(self.study), self.task.arm
                )

    def __getstate__(self) -> dict[str, Any]:
        """Ray stores its callbacks with the experiment; nothing reads them back."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: object) -> None:
        if trial.trial_id in self.trials:
            return
        number, config = trial.config["trial"], trial.config["config"]
        self.trials[trial.trial_id] = told = Told(
            arm=self.task.arm,
            number=number,
            config={name: config[name] for name in self.task.space.searched},
            local_path=str(self.study / "tracking"),
            trial_id=f"{digest(f'{self.study}/{self.task.arm}')}-{number:05d}",
        )
        self._tell(lambda tracker: tracker.start(told))

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: object
    ) -> None:
        told = self.trials[trial.trial_id]
        if result["report"] <= self.told.get(told.number, 0):
            return
        self.told[told.number] = result["report"]
        values = points(result, trial.config["config"]["loss"], self.task.folds, self.labels_M)
        self._tell(lambda tracker: tracker.report(told, result["presentations"], values))

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: object) -> None:
        # Ray completes trials, too, that are only stopped because the search is.
        status = trial.last_result.get("status", "running")
        if status != "running" or trial.trial_id in self.pruned:
            self._end(trial, failed=status not in ("completed", "running"))

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: object) -> None:
        self._end(trial, failed=True)

    def close(self) -> None:
        """The search has ended, in whatever way."""
        self._tell(lambda tracker: tracker.close())

    def _end(self, trial: Trial, failed: bool) -> None:
        told = self.trials.pop(trial.trial_id)
        self._tell(lambda tracker: tracker.end(told, failed))

    def _tell(self, tell: Callable[[Tracker], None]) -> None:
        for kind, tracker in [*self.trackers.items()]:
            with self._bearing(kind):
                tell(tracker)

    @contextmanager
    def _bearing(self, kind: Kind) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.trackers.pop(kind, None)
            words = mask(f"{type(error).__name__}: {error}".splitlines()[0])
            self.note(f"tracking: {kind} is told no more of `{self.task.arm}` ({words}); the search goes on")


def points(
    result: Mapping[str, Any], loss: str, folds: Sequence[Fold], labels_M: NDArray[np.float64]
) -> dict[str, float]:
    """A report's points of the curves, by name; those that are not finite are left out.

    Args:
        result: What the trial reported.
        loss: `mse` or `mae`, the search's score.
        folds: Positions into the development scans.
        labels_M: (M,) labels of the development scans.
    """
    values = {
        f"{loss}/pooled": result["score"],
        f"{loss}/smoothed": result["smoothed"],
        "icc/pooled": result["icc"],
        "train/loss": result["train_loss"],
        "cost/seconds": result["seconds"],
    }
    if result["oof"]:
        oof_RM = np.asarray(result["oof"], dtype=np.float64).reshape(-1, len(labels_M))
        for fold in folds:
            held = fold.held_out
            values[f"{loss}/{_name(fold, folds)}"] = float(
                LOSSES[loss](oof_RM[fold.repeat, held], labels_M[held])
            )
    if result["final_score"] is not None:
        values["final/score"] = result["final_score"]
    return {name: float(value) for name, value in values.items() if isfinite(value)}


def _name(fold: Fold, folds: Sequence[Fold]) -> str:
    repeated = any(other.repeat for other in folds)
    return f"repeat_{fold.repeat + 1}_fold_{fold.index + 1}" if repeated else f"fold_{fold.index + 1}"


def _last_report(rows: Sequence[Mapping[str, Any]]) -> int:
    return max((int(row["report"]) for row in rows if "report" in row), default=0)


@contextmanager
def _environment() -> Iterator[None]:
    """`OFFLINE` where the user has not set it, for the length of a search."""
    added = [name for name in OFFLINE if name not in os.environ]
    os.environ.update({name: OFFLINE[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
