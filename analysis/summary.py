"""The end table: what each arm came to, a row an arm, the reference rows beneath."""

from pathlib import Path

import pandas as pd

from analysis.extrapolation import improving_table, improving_trials
from analysis.records import Records, read_records
from analysis.searched import read_searched
from analysis.selection import best_trial, confirmed_means, within_one_se
from analysis.tested import agreement_table
from analysis.words import NOTHING, fixed, in_order, interval, number, opened, short_configuration

COLUMNS = [
    "arm",
    "trial",
    "configuration",
    "validation_score",
    "confirmed_score",
    "confirmed_sd",
    "optimism",
    "test_mse",
    "test_icc",
    "icc_low",
    "icc_high",
    "test_scans",
    "test_groups",
    "verdict",
    "stuck_seeds",
    "needed",
    "one_se_trial",
    "one_se_configuration",
    "seeds",
    "test_openings",
    "test_opened_at",
]


def summary_table(root: Path) -> pd.DataFrame:
    """The end table of a study directory; columns of stages that have not run are missing values.

    Scores are in squared label units (label units where the loss is MAE). `validation_score` is the
    search's pooled out-of-fold score, `confirmed_score` and `confirmed_sd` its mean and SD over
    confirm's seeds, `optimism` searched minus confirmed (negative: the search flattered itself),
    `icc_low` and `icc_high` a 95% interval. `verdict` is that of the searched training;
    `stuck_seeds` counts confirmed trainings that never left the mean, `needed` says how many
    presentations an arm that was still improving needs, extrapolated.

    Raises:
        BadInput: The study has no trials yet.
    """
    records = read_records(root)
    return summarise(records, agreement_table(records), still_improving(records))


def still_improving(records: Records) -> pd.DataFrame:
    """`improving_table` of a study, of whose predictions only what is needed is read."""
    improving = improving_trials(records.trials, records.confirmed)
    return improving_table(read_searched(records, improving).followed, improving)


def summarise(records: Records, agreement: pd.DataFrame, improving: pd.DataFrame) -> pd.DataFrame:
    """`summary_table` of records already read, their `agreement_table` and `improving_table`."""
    arms = in_order(records.trials["arm"])
    table = pd.DataFrame([_row(records, arm) for arm in arms])
    table = table.merge(improving[["arm", "needed"]], on="arm", how="left")
    tested = agreement[(agreement["cohort"] == "test") & (agreement["seed"] == "mean")]
    references = [arm for arm in tested["arm"] if arm not in arms]
    table = pd.concat([table, pd.DataFrame({"arm": references})], ignore_index=True)
    figures = tested.rename(
        columns={"mse": "test_mse", "icc": "test_icc", "scans": "test_scans", "groups": "test_groups"}
    )
    figures = figures[["arm", "test_mse", "test_icc", "icc_low", "icc_high", "test_scans", "test_groups"]]
    table = table.merge(figures, on="arm", how="left")
    table["test_openings"], table["test_opened_at"] = opened(records.openings)
    return table.reindex(columns=COLUMNS)


def _row(records: Records, arm: str) -> dict[str, object]:
    trial = best_trial(records.trials, records.confirmed, arm)
    if trial is None:
        return {"arm": arm, "verdict": "no completed trial"}
    searched = _trial(records, arm, trial)
    row = {
        "arm": arm,
        "trial": trial,
        "configuration": configuration_text(records, arm, trial),
        "validation_score": searched["score"],
        "verdict": searched["verdict"],
    }
    return row | _confirmed(records, arm, trial, float(searched["score"]))


def _confirmed(records: Records, arm: str, trial: int, searched: float) -> dict[str, object]:
    rows = records.confirmed[(records.confirmed["arm"] == arm) & (records.confirmed["trial"] == trial)]
    if rows.empty:
        return {}
    simplest = within_one_se(records.confirmed, records.oof, arm)
    mean = float(confirmed_means(records.confirmed, arm)[trial])
    return {
        "confirmed_score": mean,
        "confirmed_sd": rows["score"].std(ddof=1),
        "optimism": searched - mean,
        "stuck_seeds": int((rows["verdict"] == "stuck").sum()),
        "one_se_trial": simplest,
        "one_se_configuration": configuration_text(records, arm, simplest),
        "seeds": rows["seed"].nunique(),
    }


def configuration_text(records: Records, arm: str, trial: int) -> str:
    """The varied fields of a trial in short."""
    row = _trial(records, arm, trial)
    return short_configuration(row["config"], row["varied"])


def _trial(records: Records, arm: str, trial: int) -> "pd.Series":
    trials = records.trials
    return trials[(trials["arm"] == arm) & (trials["trial"] == trial)].iloc[0]


def verdict_text(row: "pd.Series", *, whole: bool = False) -> str:
    """The verdict, with the number of confirmed seeds that were stuck where there are any.

    The `whole` of it, too long for a panel's heading, says what an improving arm still needs.
    """
    verdict = row["verdict"] if isinstance(row["verdict"], str) else NOTHING
    if whole and isinstance(row["needed"], str):
        verdict = f"{verdict}, {row['needed']}"
    stuck, seeds = row["stuck_seeds"], row["seeds"]
    if verdict == "stuck" or pd.isna(stuck) or stuck == 0:
        return verdict
    return f"{verdict}; {int(stuck)} of {int(seeds)} seeds stuck"


def readable(summary: pd.DataFrame) -> pd.DataFrame:
    """The end table as text with plain headings, for a terminal or a page; missing values are dashes."""
    rows = [_readable_row(row) for _, row in summary.iterrows()]
    return pd.DataFrame(rows)


def _readable_row(row: "pd.Series") -> dict[str, str]:
    confirmed = number(row["confirmed_score"])
    if pd.notna(row["confirmed_sd"]):
        confirmed = f"{confirmed} ± {number(row['confirmed_sd'], 2)}"
    simplest = NOTHING
    if pd.notna(row["one_se_trial"]):
        simplest = f"#{int(row['one_se_trial'])} {row['one_se_configuration']}"
    trial = f"#{int(row['trial'])} {row['configuration']}" if pd.notna(row["trial"]) else NOTHING
    return {
        "arm": str(row["arm"]),
        "best configuration": trial,
        "validation": number(row["validation_score"]),
        "confirmed (mean ± SD)": confirmed,
        "optimism": number(row["optimism"], 2),
        "test MSE": number(row["test_mse"]),
        "test ICC [95%]": f"{fixed(row['test_icc'])} {interval(row['icc_low'], row['icc_high'])}".strip(),
        "verdict": verdict_text(row, whole=True),
        "least regularised within 1 SE": simplest,
        "seeds": NOTHING if pd.isna(row["seeds"]) else str(int(row["seeds"])),
    }
