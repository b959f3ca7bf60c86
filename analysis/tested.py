"""Test predictions of the configurations that stand for their arms, averaged over seeds, and their scores."""

import numpy as np
import pandas as pd

from analysis.coverage import default_method
from analysis.inference import icc_interval
from analysis.records import REFERENCE, Records
from analysis.scores import LIMITS, SCORES, scores_of
from analysis.selection import best_trial
from analysis.words import in_order
from study.agreement import icc


def standing_predictions(records: Records, cohort: str = "test") -> pd.DataFrame:
    """Predictions of each arm's best configuration and of the reference rows, a row a seed and scan.

    An arm whose best configuration has not been tested (the search was extended since) is left out:
    its older figures belong to another configuration.
    """
    rows = records.predictions[records.predictions["cohort"] == cohort]
    rows = rows.drop_duplicates(["arm", "trial", "seed", "scan"], keep="last")
    rows = rows[rows["label"].notna()]
    best = {arm: best_trial(records.trials, records.confirmed, arm) for arm in rows["arm"].unique()}
    standing = (rows["trial"] == REFERENCE) | (rows["trial"] == rows["arm"].map(best))
    return rows[standing].sort_values(["arm", "seed", "scan"], kind="stable")


def stale_arms(records: Records) -> list[str]:
    """Arms that were tested, but with a configuration that no longer stands for them."""
    rows = records.predictions[records.predictions["cohort"] == "test"]
    return in_order(set(rows["arm"]) - set(standing_predictions(records)["arm"]))


def averaged(standing: pd.DataFrame) -> pd.DataFrame:
    """Mean prediction over seeds, with site, group, label, truth, seeds; a row an arm and scan."""
    grouped = standing.groupby(["arm", "scan"], sort=True, dropna=False)
    kept = {name: (name, "first") for name in ("site", "group", "label", "truth") if name in standing}
    mean = grouped.agg(**kept, prediction=("prediction", "mean"), seeds=("seed", "nunique"))
    return mean.reset_index()


def groups_of(rows: pd.DataFrame) -> list[str]:
    """The group of each scan, which several scans of one person share; of older studies, the scan itself."""
    scans = rows["scan"].astype(str)
    return [*(rows["group"].fillna(scans).astype(str) if "group" in rows else scans)]


def external_cohorts(records: Records) -> list[str]:
    """Names of the external cohorts that were opened, in alphabetical order."""
    return sorted(set(records.predictions["cohort"]) - {"test"})


def agreement_table(records: Records) -> pd.DataFrame:
    """Scores a cohort, arm and seed, then of the predictions averaged over seeds (`seed` 'mean').

    Columns: cohort, arm, seed, seeds, scans, groups (persons, say); `SCORES` and `LIMITS` of
    `analysis.scores`; icc_low, icc_high (95%, of the averaged predictions only); icc_truth (against the
    labels without rater noise, where a phantom has them).
    """
    tables = [_cohort_table(records, cohort) for cohort in ["test", *external_cohorts(records)]]
    return pd.concat(tables, ignore_index=True)


def _cohort_table(records: Records, cohort: str) -> pd.DataFrame:
    standing = standing_predictions(records, cohort)
    rows: list[dict[str, object]] = []
    for arm in in_order(standing["arm"]):
        mine = standing[standing["arm"] == arm].sort_values("scan", kind="stable")
        if mine["seed"].nunique() > 1:
            rows += [
                {"arm": arm, "seed": str(seed), **_scores(group)} for seed, group in mine.groupby("seed")
            ]
        mean = averaged(mine)
        low, high = interval_of(mean, records.seed)
        limits = {"icc_low": low, "icc_high": high, "seeds": mine["seed"].nunique()}
        rows.append({"arm": arm, "seed": "mean", **_scores(mean), **limits})
    interval = ["icc_low", "icc_high"]
    columns = [
        "arm",
        "seed",
        "seeds",
        "scans",
        "groups",
        *SCORES[:3],
        *interval,
        *SCORES[3:],
        *LIMITS,
        "icc_truth",
    ]
    table = pd.DataFrame(rows, columns=columns)
    table.insert(0, "cohort", cohort)
    return table


def interval_of(mean: pd.DataFrame, seed: int) -> tuple[float, float]:
    """95% interval of the ICC of averaged predictions, by the method with the best measured coverage.

    The same for any order of the scans; those of a group are drawn together.
    """
    ordered = mean.sort_values("scan", kind="stable")
    return icc_interval(
        ordered["prediction"],
        ordered["label"],
        method=default_method("icc"),
        generator=np.random.default_rng(seed),
        groups=groups_of(ordered),
    )


def _scores(rows: pd.DataFrame) -> dict[str, float]:
    prediction, label = rows["prediction"].to_numpy(float), rows["label"].to_numpy(float)
    scores = {"scans": len(rows), "groups": len(set(groups_of(rows))), **scores_of(prediction, label)}
    if "truth" in rows and rows["truth"].notna().all():
        scores["icc_truth"] = float(icc(prediction, rows["truth"].to_numpy(float)))
    return scores
