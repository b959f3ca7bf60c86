"""One trial as Ray Tune runs it: all folds of one configuration, a step a report.

Every result has the same keys. A trial whose number and configuration an earlier run left a
checkpoint of continues from it.
"""

import io
import pickle
import platform
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from traceback import format_exc
from typing import Any

import numpy as np
import torch
from ray import tune

from study.badinput import BadInput
from study.regression.config import TrialConfig
from study.regression.crossvalidation import Report
from study.regression.curve import Outcome, judge
from study.regression.objective import is_out_of_memory
from study.regression.training import DivergedError
from study.sweep.assignment import read_assignment
from study.sweep.place import Place, below, folders, read
from study.sweep.process import forget_peak_memory, peak_memory_mb, settle

STATE = "state.pt"
NAN = float("nan")


class SetSumTrial(tune.Trainable):
    """Its Ray configuration: `config` (a TrialConfig), `assignment` (a file's path or URI, see
    `study.sweep.own_tuner`) and, in a study, `trial` (Optuna's number) and `sweep` (a path or URI too: where
    the checkpoints of all the arm's runs lie)."""

    rows: list[dict[str, Any]]

    def setup(self, config: dict[str, Any]) -> None:
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Start another trial in this process, as if it were a fresh one."""
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Train every fold to the next report."""
        try:
            if not self.training.finished:
                self._append(self.training.advance())
        except DivergedError as error:
            return self._result(self._blank_row(), status="diverged", reason=str(error))
        except Exception as error:
            if self.device == "cuda" or isinstance(error, OSError) or is_out_of_memory(error):
                # Memory and disks recover, a broken CUDA context goes with its process: Ray tries again.
                raise
            reason = f"{type(error).__name__}: {error}"
            return self._result(self._blank_row(), status="failed", reason=reason, trace=format_exc())
        status = "completed" if self.training.finished else "running"
        return self._result(self.rows[-1], status=status)

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        state = {"key": self.key, "rows": self.rows, "training": self.training.state_dict()}
        torch.save(state, Path(checkpoint_dir) / STATE)

    def load_checkpoint(self, checkpoint: Any) -> None:  # noqa: ANN401 - a folder; Ray says less
        """After a crash or a pause; in a study `setup` has found the same or a newer state already.

        Raises:
            BadInput: It is another configuration's, which only a scheduler that mutates trials asks for.
        """
        if self.sweep is None:
            state = torch.load(Path(checkpoint) / STATE, map_location="cpu", weights_only=True)
            if state["key"] != self.key:
                raise BadInput(
                    "a trial goes on from its own configuration's checkpoints only",
                    fix="Use a scheduler that keeps configurations, not population-based training",
                )
            self._go_on(state)

    def _go_on(self, state: Mapping[str, Any]) -> None:
        self.rows = state["rows"]
        self.training.load_state_dict(state["training"])

    def _begin(self, config: Mapping[str, Any]) -> None:
        assignment = read_assignment(config["assignment"])
        self.device = settle(threads=assignment.threads, gpus=assignment.gpus)
        forget_peak_memory(self.device)
        self.number: int = config.get("trial", 0)
        self.sweep: str | None = config.get("sweep")
        self.settings = TrialConfig.model_validate(config["config"])
        self.labels_M = assignment.labels_M
        self.key = assignment.key(self.settings)
        self.training = assignment.cross_validation(self.settings, self.device)
        self.rows = []
        if self.sweep and (state := newest_state(self.sweep, self.number, self.key)):
            self._go_on(state)

    def _append(self, report: Report) -> None:
        row = vars(report) | {"oof": report.oof_RM.ravel().tolist()}
        del row["oof_RM"]
        row["seconds"] += self.rows[-1]["seconds"] if self.rows else 0.0
        row["score"] = row[self.settings.loss]
        self.rows.append(row)
        row["smoothed"] = float(curve(self.rows, self.labels_M, self.settings).smoothed_T[-1])

    def _result(
        self, row: Mapping[str, Any], *, status: str, reason: str = "", trace: str = ""
    ) -> dict[str, Any]:
        whole = curve(self.rows, self.labels_M, self.settings) if status == "completed" else None
        return {
            # A state that an older version saved may lack a column.
            **self._blank_row(),
            **row,
            "trial": self.number,
            "status": status,
            "reason": reason,
            "trace": trace,
            "final_score": whole.score if whole else None,
            "verdict": whole.verdict if whole else "",
            "peak_memory_mb": peak_memory_mb(self.device),
            "host": platform.node(),
            "finished_at": time.time(),
            "done": status != "running",
        }

    def _blank_row(self) -> dict[str, Any]:
        """A report without numbers, where a training broke off."""
        scores = dict.fromkeys(
            (
                *("train_loss", "train_mse", "train_mae", "mse", "mae", "icc"),
                *("shift", "blank_response", "score", "smoothed"),
            ),
            NAN,
        )
        last = self.rows[-1] if self.rows else {"steps": 0, "seconds": 0.0}
        return {
            **scores,
            "report": self.training.report,
            "presentations": self.training.presentations,
            "steps": last["steps"],
            "seconds": last["seconds"],
            "oof": [],
        }


def curve(rows: list[dict[str, Any]], labels_M: np.ndarray, config: TrialConfig) -> Outcome:
    """A trial's reports so far, judged."""
    oof_TRM = np.array([row["oof"] for row in rows]).reshape(len(rows), -1, len(labels_M))
    presentations_T = np.array([row["presentations"] for row in rows])
    return judge(oof_TRM, presentations_T, labels_M, config.loss)


def newest_state(sweep: Place, number: int, key: str) -> dict[str, Any] | None:
    """The latest whole checkpoint of a trial over all runs of its arm, if its key is the same.

    A run that was killed while it wrote one leaves a torn file; the one before it serves.
    """
    for place in _states(sweep, number):
        try:
            state: dict[str, Any] = torch.load(io.BytesIO(read(place)), map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError):
            continue
        if state["key"] == key:
            return state
    return None


def _states(sweep: Place, number: int) -> Iterator[str]:
    """Places of a trial's checkpoints, the latest first."""
    for run in reversed(folders(sweep, "run-")):
        trial = below(sweep, run, f"trial-{number:05d}")
        for checkpoint in reversed(folders(trial, "checkpoint_")):
            yield below(trial, checkpoint, STATE)
