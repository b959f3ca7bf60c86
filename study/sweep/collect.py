"""What the searches found, as three tables: a row a trial, a row a report, a row a prediction.

Everything that happened is in them: pruned, diverged, failed and interrupted trials too. The third
is as long as trials times reports times scans, so it is handed on trial by trial.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from optuna.storages import BaseStorage
from optuna.study import get_all_study_names, load_study
from optuna.trial import FrozenTrial, TrialState

from study.cohort.arrays import open_arrays
from study.regression.config import TrialConfig
from study.sweep.results import Results
from study.sweep.rows import describe, no_oof, oof_frame
from study.sweep.stored import is_journal, open_storage
from study.sweep.task import SweepTask
from study.sweep.trainable import curve

STATUS = {
    TrialState.COMPLETE: "completed",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "interrupted",
}
TRIAL = (
    *("arm", "trial", "status", "origin", "score", "mse", "mae", "icc", "length", "presentations", "steps"),
    *("seconds", "peak_memory_mb", "verdict", "train_mse", "train_mae", "shift", "reason"),
    *(
        "expected_set_size",
        "mean_error_weight",
        "distinct_sets",
        "training_scans",
        "config",
        "varied",
        "ray_trial",
        "host",
    ),
)
MEASURED = ("peak_memory_mb", "shift", "train_mse", "train_mae")
"""Of a trial's last report; missing where an older version wrote it."""
TRIAL_COLUMNS = (*TRIAL, *(f"config.{field}" for field in TrialConfig.model_fields))
CURVE = (
    *("arm", "trial", "report", "presentations", "steps", "mse", "mae", "icc", "smoothed", "train_loss"),
    "seconds",
)


@dataclass(frozen=True, kw_only=True)
class Collected:
    """`trials`: a row a trial; `curves`: a row a report."""

    trials: pd.DataFrame
    curves: pd.DataFrame


def collect_sweeps(
    tasks: Sequence[SweepTask], keep_oof: Callable[[pd.DataFrame], None] = lambda rows: None
) -> Collected:
    """Gather all arms' trials from Optuna's storage and the runs' recorded results.

    Scores are those at the chosen length (`study.regression.curve.judge`), for trials below full
    budget at the best of what they reached; NaN where a trial reported nothing.

    Args:
        tasks: The arms' searches.
        keep_oof: Given the out-of-fold predictions, a row per report, repeat and scan, of one trial
            after the other; at first an empty table.

    Raises:
        BadInput: A cohort or storage cannot be read.
    """
    trials, curves = [_table((), TRIAL_COLUMNS)], [_table((), CURVE)]
    keep_oof(no_oof())
    # Arms share a storage, and to open one is to read through it.
    opening = cache(open_storage)
    for task in tasks:
        rows: list[dict[str, Any]] = []
        reports: list[dict[str, Any]] = []
        for trial in _Arm(task, opening).trials():
            rows.append(trial.row())
            reports += trial.curve_rows()
            if trial.reports:
                keep_oof(trial.predictions())
        trials.append(_table(rows, TRIAL_COLUMNS))
        curves.append(_table(reports, CURVE))
    return Collected(trials=_joined(trials), curves=_joined(curves))


def _table(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=[*columns])


def _joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One table; those without rows would spoil its types."""
    return pd.concat([table for table in tables if len(table)] or [tables[0]], ignore_index=True)


class _Arm:
    """One arm's stored search."""

    def __init__(self, task: SweepTask, opening: Callable[[str | Path], BaseStorage]) -> None:
        self.task, self.space, self.opening = task, task.space, opening
        assignment, cohort = task.assignment(), open_arrays(task.arrays)
        self.training_scans = assignment.training_scans
        self.labels_M = assignment.labels_M
        self.scans = [cohort.ids[position] for position in assignment.development]

    def trials(self) -> Iterator["_Trial"]:
        results = Results(self.task.directory)
        for stored in self._stored():
            if stored.state in STATUS and len(stored.params) == len(self.space.searched):
                yield _Trial(self, stored, results.get(stored.number, []))

    def _stored(self) -> list[FrozenTrial]:
        where = self.task.storage
        if is_journal(where) and not Path(where).exists():
            return []
        storage = self.opening(where)
        if self.task.stored_as not in get_all_study_names(storage):
            return []
        return load_study(study_name=self.task.stored_as, storage=storage).get_trials(deepcopy=False)


class _Trial:
    """One stored trial and what was recorded of it."""

    def __init__(self, arm: _Arm, stored: FrozenTrial, results: list[dict[str, Any]]) -> None:
        self.arm, self.stored, self.results = arm, stored, results
        self.config = arm.space.resolve(stored.params)
        self.reports = [row for row in results if row.get("oof")]
        self.outcome = curve(self.reports, arm.labels_M, self.config) if self.reports else None

    def row(self) -> dict[str, Any]:
        stored, last = self.stored, self.reports[-1] if self.reports else {}
        end = self.results[-1] if self.results else {}
        return {
            "arm": self.arm.task.arm,
            "trial": stored.number,
            "status": self._status(),
            "origin": stored.user_attrs.get("origin", "sampled"),
            "score": np.nan,
            "mse": np.nan,
            "mae": np.nan,
            "icc": np.nan,
            "length": 0,
            "verdict": "",
            **self._scores(),
            **{name: last.get(name, 0) for name in ("presentations", "steps", "seconds")},
            **{name: last.get(name, np.nan) for name in MEASURED},
            "reason": end.get("reason", ""),
            "training_scans": self.arm.training_scans,
            **describe(self.config, self.arm.training_scans),
            "varied": json.dumps(list(self.arm.space.searched)),
            "ray_trial": stored.user_attrs.get("ray_trial", ""),
            "host": last.get("host", ""),
        }

    def curve_rows(self) -> list[dict[str, Any]]:
        if self.outcome is None:
            return []
        key = {"arm": self.arm.task.arm, "trial": self.stored.number}
        return [
            # Not whole rows: their predictions would stay in memory with them.
            {name: row[name] for name in CURVE if name in row} | key | {"smoothed": float(smoothed)}
            for row, smoothed in zip(self.reports, self.outcome.smoothed_T, strict=True)
        ]

    def predictions(self) -> pd.DataFrame:
        arm = self.arm
        return oof_frame(
            "search",
            arm.task.arm,
            self.stored.number,
            0,
            oof_TRM=np.array([row["oof"] for row in self.reports]).reshape(
                len(self.reports), -1, len(arm.labels_M)
            ),
            presentations_T=[row["presentations"] for row in self.reports],
            scans=arm.scans,
            labels_M=arm.labels_M,
        )

    def _status(self) -> str:
        # A kill may have come between the attribute and the end.
        known = STATUS[self.stored.state]
        failed = self.stored.state == TrialState.FAIL
        return str(self.stored.user_attrs.get("status", known)) if failed else known

    def _scores(self) -> dict[str, Any]:
        if self.outcome is None:
            return {}
        return {
            name: getattr(self.outcome, name) for name in ("score", "mse", "mae", "icc", "length", "verdict")
        }
