"""Tables: error of every trial, its training error, and how it goes with the strength of regularisation."""

import json

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.flat import strengths
from analysis.selection import is_mae
from analysis.smooth import FEWEST, FEWEST_PLACES, smooth
from analysis.style import verdict_of
from analysis.words import short_configuration

FACES = {
    "expected_set_size": "expected set size n(1 - p)",
    "mean_error_weight": "mean-error weight λ",
    "distinct_sets": "distinct virtual samples",
}
SMOOTHED = ["face", "quantity", "x", "mean", "low", "high", "trials"]
PLACES = 60
"""Places at which the smoothed estimate is written down."""


def tradeoff_table(trials: pd.DataFrame, curves: pd.DataFrame, flat: pd.DataFrame) -> pd.DataFrame:
    """A row a trial, best first: score, verdict, three faces, cost; those not completed last, unranked.

    `end_error` is the pooled out-of-fold error at the end of the budget, `train_error` that on scans
    which the predicting networks trained on, `gap` their difference (NaN in studies made before it
    was recorded); `flat` says whether a trial lies in the flat region, `least` which of those is the
    least regularised.

    Args:
        trials: Rows of trials.parquet.
        curves: Rows of curves.parquet.
        flat: From `flat_region`.
    """
    kept = ["arm", "trial", "status", "origin", "verdict", "score", "mse", "mae", "icc", *FACES]
    cost = ["length", "presentations", "steps", "seconds", "peak_memory_mb", "shift", "reason"]
    table = trials[[name for name in [*kept, *cost] if name in trials]].copy()
    pairs = zip(trials["config"], trials["varied"], strict=True)
    table.insert(2, "configuration", [short_configuration(config, varied) for config, varied in pairs])
    table["n"] = [json.loads(config).get("n") for config in trials["config"]]
    keys = pd.MultiIndex.from_frame(table[["arm", "trial"]])
    table["end_error"], table["train_error"] = _end_errors(trials, curves, keys)
    table["gap"] = table["end_error"] - table["train_error"]
    table["flat"] = keys.isin(pd.MultiIndex.from_frame(flat[["arm", "trial"]]))
    table["least"] = keys.isin(pd.MultiIndex.from_frame(flat.loc[flat["least"], ["arm", "trial"]]))
    done = (table["status"] == "completed") & np.isfinite(table["score"].astype(float))
    table.insert(0, "rank", table["score"].where(done).rank(method="min"))
    return table.sort_values(["rank", "arm", "trial"], na_position="last").reset_index(drop=True)


def _end_errors(
    trials: pd.DataFrame, curves: pd.DataFrame, keys: pd.MultiIndex
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Out-of-fold and training error of each trial at the end of its budget, in its score's terms."""
    which = "mae" if is_mae(trials) else "mse"
    missing = pd.Series(np.nan, index=trials.index)
    train: NDArray[np.float64] = np.asarray(trials.get(f"train_{which}", missing), dtype=np.float64)
    last = curves.sort_values("presentations", kind="stable").groupby(["arm", "trial"])[which].last()
    ended = (trials["status"] == "completed").to_numpy()
    ends: NDArray[np.float64] = np.where(ended, last.reindex(keys).to_numpy(float), np.nan)
    return ends, train


def judged(table: pd.DataFrame, trials: pd.DataFrame) -> pd.DataFrame:
    """Completed trials whose faces say how strongly they were regularised, with what they are drawn by.

    Args:
        table: From `tradeoff_table`.
        trials: Rows of trials.parquet.

    Returns:
        Rows of the table with `dropout`, `replacement`, and `other` at those of another objective.
    """
    fields = trials.assign(
        dropout=trials.get("config.dropout", 0.0),
        replacement=trials.get("config.replacement", False),
        other=~strengths(trials),
    )[["arm", "trial", "dropout", "replacement", "other"]]
    return table[table["rank"].notna()].merge(fields, on=["arm", "trial"], how="left")


def smoothed_table(drawn: pd.DataFrame) -> pd.DataFrame:
    """The smoothed error and its 95% limits along each face, out-of-fold and training.

    Fitted to the logarithms of completed trials that left the mean and whose strength the faces
    describe; where they are too few or too alike there are no rows. Columns: face, quantity
    (`out-of-fold`, `training`), x, mean, low, high, trials.

    Args:
        drawn: From `judged`.
    """
    rows = drawn[~drawn["other"] & (drawn["verdict"].map(verdict_of) != "stuck")]
    parts = [
        _along(rows, face, quantity, column)
        for face in FACES
        for quantity, column in (("out-of-fold", "score"), ("training", "train_error"))
    ]
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def _along(rows: pd.DataFrame, face: str, quantity: str, column: str) -> pd.DataFrame:
    x, y = rows[face].to_numpy(float), rows[column].to_numpy(float)
    usable = np.isfinite(x) & np.isfinite(y) & (y > 0)
    places = stretched(face, x[usable])
    found = None
    if places.size:
        at = np.linspace(places.min(), places.max(), PLACES)
        found = smooth(places[:, None], np.log(y[usable]), at[:, None])
    if found is None:
        return pd.DataFrame(columns=SMOOTHED)
    lines = {name: np.exp(line) for name, line in found._asdict().items()}
    key = {"face": face, "quantity": quantity, "x": relaxed(face, at)}
    return pd.DataFrame(key | lines | {"trials": len(places)})[SMOOTHED]


def stretched(face: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The scale on which a face is smoothed: logarithmic, from zero for the mean-error weight."""
    return np.log1p(values) if face == "mean_error_weight" else np.log(values)


def relaxed(face: str, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse of `stretched`."""
    return np.expm1(places) if face == "mean_error_weight" else np.exp(places)


def unsmoothed_reason(drawn: pd.DataFrame, smoothed: pd.DataFrame) -> str:
    """Why there is no line, in a sentence; empty where there is one."""
    if len(smoothed):
        return ""
    count = int((~drawn["other"]).sum())
    return (
        f" No line: {count} completed trials, of which {FEWEST} that left the mean, at {FEWEST_PLACES} "
        "different strengths, would be needed."
    )


def unranked(trials: pd.DataFrame) -> str:
    """How many trials are not ranked, by status, such as `3 pruned, 1 failed`; empty where all are."""
    counts = trials["status"].value_counts().drop("completed", errors="ignore").sort_index()
    return ", ".join(f"{count} {status}" for status, count in counts.items())
