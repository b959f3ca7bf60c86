"""Table: the resampling shift, predictions on scans as they are minus over views."""

import numpy as np
import pandas as pd

from analysis.records import REFERENCE, Records
from analysis.selection import best_trial
from analysis.tested import external_cohorts, standing_predictions
from analysis.words import in_order

COLUMNS = ["cohort", "arm", "trial", "seeds", "scans", "resampling_shift", "shift_sd"]


def shift_table(records: Records) -> pd.DataFrame:
    """A row a cohort and arm: mean prediction on scans as they are minus over views, in label SDs.

    `resampling_shift` is that of the predictions averaged over seeds, `shift_sd` its SD over scans.
    For `development` it is that of the arm's best searched trial, out of fold. Networks are trained
    on resampled scans, which are blurred; far from zero, they must not be asked about scans as they
    are. Studies tested before this was recorded have no row of test scans.
    """
    rows = [_searched(records, arm) for arm in in_order(records.trials["arm"])]
    for cohort in ["test", *external_cohorts(records)]:
        rows += _tested(records, cohort)
    return pd.DataFrame([row for row in rows if row], columns=COLUMNS)


def _searched(records: Records, arm: str) -> dict[str, object]:
    best = best_trial(records.trials, records.confirmed, arm)
    mine = records.trials[(records.trials["arm"] == arm) & (records.trials["trial"] == best)]
    if mine.empty or "shift" not in mine or mine["shift"].isna().all():
        return {}
    row = {"cohort": "development", "arm": arm, "trial": best, "seeds": 1, "scans": len(records.development)}
    return row | {"resampling_shift": float(mine["shift"].iloc[0])}


def _tested(records: Records, cohort: str) -> list[dict[str, object]]:
    standing = standing_predictions(records, cohort)
    if "as_is" not in standing:
        return []
    rows: list[dict[str, object]] = []
    standing = standing[(standing["trial"] != REFERENCE) & standing["as_is"].notna()]
    for arm in in_order(standing["arm"]):
        mine = standing[standing["arm"] == arm]
        scans = mine.groupby("scan")[["as_is", "prediction", "label"]].mean()
        spread = float(np.std(scans["label"]))
        if spread == 0:
            continue
        shift = (scans["as_is"] - scans["prediction"]) / spread
        row = {"cohort": cohort, "arm": arm, "trial": mine["trial"].iloc[0], "seeds": mine["seed"].nunique()}
        values = {"resampling_shift": float(shift.mean()), "shift_sd": float(shift.std(ddof=1))}
        rows.append(row | {"scans": len(scans)} | values)
    return rows
