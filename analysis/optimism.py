"""Table and figure: what the search promised against what fresh seeds and folds confirmed."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.records import Records
from analysis.selection import best_trial, confirmed_means, is_mae, within_one_se
from analysis.style import INK, MARKERS, RULE, colour, legend_of, styled, verdict_of
from analysis.words import in_order, short_configuration

COLUMNS = ["arm", "trial", "configuration", "verdict", "seeds", "length", "searched", "confirmed"]
COLUMNS += ["confirmed_sd", "optimism", "icc", "winner", "within_one_se"]


def optimism_table(records: Records) -> pd.DataFrame:
    """A row a confirmed configuration: searched and confirmed score, their difference, who won.

    `optimism` is searched minus confirmed: negative where the search flattered the configuration.
    """
    rows = [row for arm in in_order(records.confirmed["arm"]) for row in _arm_rows(records, arm)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _arm_rows(records: Records, arm: str) -> list[dict[str, object]]:
    best = best_trial(records.trials, records.confirmed, arm)
    if best is None:
        return []
    trials = records.trials[records.trials["arm"] == arm].set_index("trial")
    simplest = within_one_se(records.confirmed, records.oof, arm)
    mine = records.confirmed[records.confirmed["arm"] == arm]
    rows = []
    means = confirmed_means(records.confirmed, arm)
    for trial in means.index.astype(int):
        seeds, searched, mean = mine[mine["trial"] == trial], trials.loc[trial], float(means[trial])
        rows.append(
            {
                "arm": arm,
                "trial": trial,
                "configuration": short_configuration(str(searched["config"]), str(searched["varied"])),
                "verdict": searched["verdict"],
                "seeds": seeds["seed"].nunique(),
                "length": seeds["length"].iloc[0],
                "searched": searched["score"],
                "confirmed": mean,
                "confirmed_sd": seeds["score"].std(ddof=1),
                "optimism": searched["score"] - mean,
                "icc": seeds["icc"].mean(),
                "winner": trial == best,
                "within_one_se": trial == simplest,
            }
        )
    return rows


@styled
def optimism_figure(table: pd.DataFrame, confirmed: pd.DataFrame) -> Figure:
    """Confirmed mean and SD over seeds against the searched score; above the line the search flattered.

    Args:
        table: From `optimism_table`.
        confirmed: Rows of confirmed.parquet, for the name of the score.
    """
    figure = Figure(figsize=(5.4, 4.6), layout="constrained")
    axis = figure.subplots()
    for _, row in table.iterrows():
        marker = MARKERS[verdict_of(row["verdict"])]
        look: dict[str, Any] = {
            "fmt": marker,
            "color": colour(row["arm"]),
            "ms": 7,
            "mec": "white",
            "elinewidth": 1.2,
        }
        spread = None if pd.isna(row["confirmed_sd"]) else row["confirmed_sd"]
        axis.errorbar(row["searched"], row["confirmed"], yerr=spread, zorder=3, **look)
        if row["winner"]:
            axis.plot(row["searched"], row["confirmed"], "o", ms=13, mfc="none", mec=INK, mew=1.1, zorder=4)
    axis.axline((table["searched"].min(),) * 2, slope=1, color=RULE, lw=1, ls=(0, (4, 3)), zorder=1)
    axis.margins(0.12)
    score = "MAE" if is_mae(confirmed) else "MSE"
    axis.set(
        xlabel=f"searched {score} (pooled out-of-fold)", ylabel=f"confirmed {score} (mean ± SD over seeds)"
    )
    ring = Line2D([], [], marker="o", ls="", ms=11, mfc="none", mec=INK, label="winner of its arm")
    line = Line2D([], [], color=RULE, lw=1, ls=(0, (4, 3)), label="confirmed as searched")
    legend_of(figure, table["arm"], map(verdict_of, table["verdict"]), [ring, line])
    return figure
