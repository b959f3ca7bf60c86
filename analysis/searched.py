"""The search's out-of-fold errors, a row a trial at its chosen length, read without holding the rest.

oof.parquet is as long as trials times reports times scans: it is read a part at a time, and of
each arm only its best trials are kept.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyarrow import RecordBatch
from pyarrow.parquet import ParquetFile

from analysis.records import Records
from analysis.selection import is_mae, select_trials
from study.badinput import BadInput
from study.record import BATCH, StudyDirectory

MOST = 300
"""Trials of an arm whose errors are read, the best by score: others win no resample and lie in no
standard error of the best."""

READ = ["stage", "arm", "trial", "repeat", "scan", "presentations", "prediction", "label"]
TEXTS = ["stage", "arm", "scan"]


@dataclass(frozen=True, kw_only=True)
class Searched:
    """Errors of the search, squared, or absolute where that is the training loss.

    Each is the mean over repeats; columns are scans in the order of their names.
    """

    chosen: pd.DataFrame
    """By arm and trial: errors at the trial's chosen length."""
    followed: pd.DataFrame
    """By arm, trial and presentations: errors at every report of each arm's followed trial."""


def read_searched(records: Records, follow: dict[str, int]) -> Searched:
    """The errors of each arm's `MOST` best completed trials, and the whole curves of those to `follow`.

    Args:
        records: Of the study.
        follow: A trial for each arm whose errors are wanted at every report.
    """
    path = StudyDirectory(records.root).oof
    best = {arm: _best(records.trials, arm) for arm in records.trials["arm"].unique()}
    parts = list(_parts(path, best, follow)) if path.is_file() else []
    rows = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*READ, "chosen"])
    gap = (rows["prediction"] - rows["label"]).astype(float)
    rows = rows.assign(error=gap.abs() if is_mae(records.trials) else gap**2)
    at = rows[rows["chosen"].astype(bool)]
    along = rows[rows["trial"] == rows["arm"].map(follow)]
    return Searched(
        chosen=_by_scan(at, ["arm", "trial"]), followed=_by_scan(along, ["arm", "trial", "presentations"])
    )


def _best(trials: pd.DataFrame, arm: str) -> "pd.Series[int]":
    """Chosen length by trial number of the arm's best trials."""
    try:
        lengths: pd.Series[int] = select_trials(trials, arm, MOST).set_index("trial")["length"]
    except BadInput:
        return pd.Series(dtype=int)
    return lengths


def _parts(path: Path, best: "dict[str, pd.Series[int]]", follow: dict[str, int]) -> list[pd.DataFrame]:
    with ParquetFile(path, read_dictionary=TEXTS) as file:
        batches = file.iter_batches(batch_size=BATCH, columns=READ)
        return [part for batch in batches if len(part := _wanted(batch, best, follow))]


def _wanted(batch: RecordBatch, best: "dict[str, pd.Series[int]]", follow: dict[str, int]) -> pd.DataFrame:
    """The rows of a part that are wanted, with whether they are at their trial's chosen length."""
    trial, at = batch.column("trial").to_numpy(), batch.column("presentations").to_numpy()
    searched, arms = _equal(batch, "stage", "search"), _codes(batch, "arm")
    chosen, followed = np.zeros(len(trial), dtype=bool), np.zeros(len(trial), dtype=bool)
    for arm, lengths in best.items():
        mine = searched & _equal(batch, "arm", arm, arms)
        if not mine.any() or lengths.empty:
            continue
        length_of = np.full(max(int(trial[mine].max()), int(lengths.index.max())) + 1, -1)
        length_of[lengths.index.to_numpy()] = lengths.to_numpy()
        chosen[mine] = length_of[trial[mine]] == at[mine]
        followed[mine] = trial[mine] == follow.get(arm, -1)
    kept = np.flatnonzero(chosen | followed)
    frame: pd.DataFrame = batch.take(kept).to_pandas()
    return frame.astype(dict.fromkeys(TEXTS, "str")).assign(chosen=chosen[kept])


def _codes(batch: RecordBatch, column: str) -> NDArray[np.int64]:
    codes: NDArray[np.int64] = batch.column(column).indices.to_numpy()
    return codes


def _equal(
    batch: RecordBatch, column: str, value: str, codes: NDArray[np.int64] | None = None
) -> NDArray[np.bool_]:
    names = batch.column(column).dictionary.to_pylist()
    if value not in names:
        return np.zeros(batch.num_rows, dtype=bool)
    found: NDArray[np.bool_] = (_codes(batch, column) if codes is None else codes) == names.index(value)
    return found


def _by_scan(rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    return rows.groupby([*keys, "scan"])["error"].mean().unstack("scan")
