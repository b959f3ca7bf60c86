"""Which configurations are carried on: from the search to confirm, from confirm to the test scans.

These three rules stand here and nowhere else; the stages and every table ask them.
"""

from collections.abc import Hashable

import numpy as np
import pandas as pd

from study.badinput import BadInput


def select_trials(trials: pd.DataFrame, arm: str, top: int) -> pd.DataFrame:
    """The `top` best trials of an arm, best first.

    Only trials that completed the arm's full budget compete: the best moment of a pruned trial is
    not comparable with the chosen length of one that was trained to the end.

    Args:
        trials: Rows of trials.parquet.
        arm: Name of the arm.
        top: How many at most.

    Returns:
        Their rows by pooled out-of-fold `score`, lowest first, ties by trial number.

    Raises:
        BadInput: No trial of the arm completed with a finite score.
    """
    rows = trials[(trials["arm"] == arm) & (trials["status"] == "completed")]
    rows = rows[np.isfinite(rows["score"].astype(float))]
    if rows.empty:
        raise BadInput(
            "no trial completed its budget with a finite score",
            where=f"arm {arm}",
            fix="Look at the reasons in trials.parquet, then run `setsum extend`",
        )
    if "config.presentations" in rows:
        rows = rows[rows["config.presentations"] == rows["config.presentations"].max()]
    return rows.sort_values(["score", "trial"], kind="stable").head(top)


def winner(confirmed: pd.DataFrame, arm: str) -> int:
    """Trial with the lowest mean confirmed score over seeds; ties go to the lower number.

    A trial that lacks a finite score for a seed which another trial of the arm has does not
    compete: its mean would be over the seeds that happened to go well.

    Raises:
        BadInput: No confirmed score of the arm is finite.
    """
    means = confirmed_means(confirmed, arm)
    if means.empty:
        raise BadInput(
            "no confirmed training has a finite score",
            where=f"arm {arm}",
            fix="Look at the arm's search: its trials may diverge; then run `setsum confirm` again",
        )
    return int(means.index[0])


def confirmed_means(confirmed: pd.DataFrame, arm: str) -> "pd.Series[float]":
    """Mean confirmed score by trial, best first, of the trials confirmed with the most seeds."""
    rows = confirmed[confirmed["arm"] == arm]
    rows = rows[np.isfinite(rows["score"].astype(float))]
    by_trial = rows.groupby("trial")["score"].agg(["mean", "count"])
    by_trial = by_trial[by_trial["count"] == by_trial["count"].max()]
    means: pd.Series[float] = by_trial.reset_index().sort_values(["mean", "trial"]).set_index("trial")["mean"]
    return means


def best_trial(trials: pd.DataFrame, confirmed: pd.DataFrame, arm: str) -> int | None:
    """The arm's winner, or before confirm its best searched trial; None where no trial completed."""
    try:
        if (confirmed["arm"] == arm).any():
            return winner(confirmed, arm)
        return int(select_trials(trials, arm, 1)["trial"].iloc[0])
    except BadInput:
        return None


def within_one_se(confirmed: pd.DataFrame, oof_confirm: pd.DataFrame, arm: str) -> int:
    """The least regularised confirmed trial that is within one standard error of the winner.

    The error of each scan is averaged over seeds and repeats first; the standard error is that of
    the mean difference from the winner, paired by scan. Least regularised: smallest mean-error
    weight, then smallest expected set size, then smallest dropout, then the winner, then the
    lowest trial number.

    Args:
        confirmed: Rows of confirmed.parquet.
        oof_confirm: Rows of oof.parquet; those of another stage than `confirm` are passed over.
        arm: Name of the arm.

    Raises:
        BadInput: See `winner`.
    """
    best = winner(confirmed, arm)
    errors = _scan_errors(confirmed, oof_confirm, arm)
    compared = errors[errors.columns.intersection(confirmed_means(confirmed, arm).index)]
    near = [best, *(near_best(compared, best) if best in compared else [])]
    rows = confirmed[(confirmed["arm"] == arm) & confirmed["trial"].isin(near)].drop_duplicates("trial")
    return int(least_regularised(rows, rows["trial"] == best)["trial"])


def near_best(errors: pd.DataFrame, best: Hashable) -> "pd.Index":
    """The columns whose mean error exceeds that of the best by no more than a standard error.

    Args:
        errors: A row a scan, a column a trial; the standard error is that of the mean difference from
            the best, paired by scan.
        best: Its column.
    """
    gaps = errors.sub(errors[best], axis=0)
    count = gaps.count()
    near = (count > 1) & (gaps.mean() <= gaps.std(ddof=1) / np.sqrt(count))
    return errors.columns[near | (errors.columns == best)]


def least_regularised(rows: pd.DataFrame, is_best: "pd.Series[bool]") -> "pd.Series":
    """The row of least mean-error weight, then set size, then dropout, then the best, then by number."""
    rows = rows.assign(other=~is_best)
    faces = ["mean_error_weight", "expected_set_size", "config.dropout", "other", "trial"]
    return rows.sort_values([face for face in faces if face in rows], kind="stable").iloc[0]


def _scan_errors(confirmed: pd.DataFrame, oof: pd.DataFrame, arm: str) -> pd.DataFrame:
    rows = oof[(oof["arm"] == arm) & (oof["stage"] == "confirm")]
    errors = (rows["prediction"] - rows["label"]).abs()
    if not is_mae(confirmed[confirmed["arm"] == arm]):
        errors = errors**2
    return errors.groupby([rows["scan"], rows["trial"]]).mean().unstack("trial")


def is_mae(rows: pd.DataFrame) -> bool:
    """Whether `score` is the mean absolute error, as it is where that is the training loss."""
    return "config.loss" in rows and "mae" in set(rows["config.loss"])
