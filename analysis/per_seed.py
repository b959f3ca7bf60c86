"""Scores of single seeds as mean and SD over seeds, the shape of the paper's Table 1."""

import pandas as pd

from analysis.scores import SCORES
from analysis.words import fixed, number

WHOLE = "mean"
"""`seed` of the rows of an agreement table that score predictions averaged over seeds."""


def per_seed_table(agreement: pd.DataFrame) -> pd.DataFrame:
    """Mean and SD over seeds of each seed's scores, a row a cohort and arm.

    One network's score, not the score of predictions averaged over seeds, which is usually better.

    Args:
        agreement: See `analysis.tested.agreement_table`.

    Returns:
        cohort, arm, seeds, scans, and of each score its `_mean` and `_sd` (NaN with a single seed).
    """
    rows = []
    for (cohort, arm), group in agreement.groupby(["cohort", "arm"], sort=False):
        singles = group[group["seed"] != WHOLE]
        # Of an arm of one seed there is only the row of the average, which is that seed's.
        each = singles if len(singles) else group
        row = {"cohort": cohort, "arm": arm, "seeds": len(each), "scans": int(each["scans"].max())}
        row |= {f"{name}_mean": each[name].mean() for name in SCORES}
        row |= {f"{name}_sd": each[name].std(ddof=1) for name in SCORES}
        rows.append(row)
    scores = [f"{name}_{what}" for name in SCORES for what in ("mean", "sd")]
    return pd.DataFrame(rows, columns=["cohort", "arm", "seeds", "scans", *scores])


def readable_per_seed(table: pd.DataFrame) -> pd.DataFrame:
    """The table as text, mean ± SD; a single seed has no SD."""
    rows = [
        {
            "cohort": row["cohort"],
            "arm": row["arm"],
            "seeds": str(row["seeds"]),
            "scans": str(row["scans"]),
            "ICC(A,1)": _with_sd(fixed(row["icc_mean"]), fixed(row["icc_sd"]), row["icc_sd"]),
            "MSE": _with_sd(number(row["mse_mean"]), number(row["mse_sd"], 2), row["mse_sd"]),
            "MAE": _with_sd(number(row["mae_mean"]), number(row["mae_sd"], 2), row["mae_sd"]),
            "Pearson r": _with_sd(fixed(row["pearson_mean"]), fixed(row["pearson_sd"]), row["pearson_sd"]),
        }
        for _, row in table.iterrows()
    ]
    return pd.DataFrame(rows)


def _with_sd(mean: str, spread: str, value: float) -> str:
    return mean if pd.isna(value) else f"{mean} ± {spread}"
