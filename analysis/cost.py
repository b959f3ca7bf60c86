"""Table and figure: score against what it cost, with the Pareto front of each cost."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from analysis.style import INK, MANY, MARKERS, RULE, colour, legend_of, log_y, styled, verdict_of
from analysis.words import in_order

COSTS = {
    "plateau": "presentations to leave the plateau",
    "length": "presentations to the best point",
    "seconds": "seconds, all folds, whole budget",
    "peak_memory_mb": "peak memory of the process, MB",
}
LEFT = 0.9
"""Share of the mean predictor's error below which a training has left the plateau."""
COLUMNS = ["arm", "trial", "configuration", "verdict", "score", *COSTS, "pareto"]


def cost_table(table: pd.DataFrame, curves: pd.DataFrame, mean_error: float) -> pd.DataFrame:
    """A row a completed trial, best first: its score, four costs, and the fronts that it is on.

    `plateau` is the first report from which the smoothed out-of-fold error stayed below `LEFT` of
    the mean predictor's (NaN: never, or the mean predictor's error is not known); `length` the chosen
    length; `pareto` names the costs at which no trial is as good and cheaper or better and as cheap
    (trials that are stuck are on none).

    Args:
        table: From `tradeoff_table`.
        curves: Rows of curves.parquet.
        mean_error: Score of predicting the mean.
    """
    rows = table[table["rank"].notna()].copy()
    keys = pd.MultiIndex.from_frame(rows[["arm", "trial"]])
    rows["plateau"] = plateau_ends(curves, mean_error).reindex(keys).to_numpy(float)
    # One that never left the mean costs little and is worth nothing.
    score = rows["score"].where(rows["verdict"].map(verdict_of) != "stuck").to_numpy(float)
    fronts = {cost: on_front(score, rows[cost].to_numpy(float)) for cost in COSTS}
    rows["pareto"] = [
        " ".join(cost for cost in COSTS if fronts[cost][position]) for position in range(len(rows))
    ]
    return rows.reset_index(drop=True)[COLUMNS]


def plateau_ends(curves: pd.DataFrame, mean_error: float) -> "pd.Series[float]":
    """By arm and trial the presentations from which the smoothed error stayed below the plateau."""
    ordered = curves.sort_values(["arm", "trial", "presentations"], kind="stable")
    on = ~(ordered["smoothed"].astype(float) < LEFT * mean_error)
    groups = [ordered["arm"], ordered["trial"]]
    # Above the plateau at any later report: not left yet. Counted from the end of each curve.
    later = on[::-1].groupby([group[::-1] for group in groups]).cummax()[::-1]
    left: pd.Series[float] = ordered["presentations"].where(~later).groupby(groups).min()
    return left


def on_front(score_T: NDArray[np.float64], cost_T: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether no other trial has a score and a cost that are both no higher, and one of them lower."""
    front, best = np.zeros(len(score_T), dtype=bool), np.inf
    known = np.flatnonzero(np.isfinite(score_T) & np.isfinite(cost_T))
    order = known[np.lexsort((score_T[known], cost_T[known]))]
    last = (np.nan, np.nan)
    for position in order:
        point = (float(score_T[position]), float(cost_T[position]))
        if point[0] < best or point == last:
            front[position], best, last = True, min(best, point[0]), point
    return front


@styled
def cost_figure(table: pd.DataFrame, improving: pd.DataFrame, mean_error: float, score: str) -> Figure:
    """Score of the completed trials against each cost; colour is the arm, the line is the front.

    Args:
        table: From `cost_table`.
        improving: From `improving_table`: an arrow leads to the presentations that an arm still needs.
        mean_error: Score of predicting the mean; NaN draws no line.
        score: Its name.
    """
    figure = Figure(figsize=(8.6, 6.6), layout="constrained")
    axes = figure.subplots(2, 2, sharey=True)
    for axis, (cost, title) in zip(axes.flat, COSTS.items(), strict=True):
        log_y(axis)
        _points(axis, table, cost)
        if cost == "length":
            _arrows(axis, table, improving)
        axis.set_xlabel(title)
        _plain(axis)
        if np.isfinite(mean_error):
            axis.axhline(mean_error, color=RULE, lw=1, ls=(0, (4, 3)), zorder=1)
    figure.supylabel(f"pooled out-of-fold {score}", fontsize=9)
    extra = [Line2D([], [], color=INK, lw=1.2, drawstyle="steps-post", label="Pareto front")]
    if len(improving):
        extra.append(Line2D([], [], color=INK, lw=1, ls=":", marker=">", label="still needed (extrapolated)"))
    extra.append(Line2D([], [], color=RULE, lw=1, ls=(0, (4, 3)), label="predicting the mean"))
    legend_of(figure, table["arm"], map(verdict_of, table["verdict"]), extra)
    return figure


def _points(axis: Axes, table: pd.DataFrame, cost: str) -> None:
    look: dict[str, Any] = {"s": 32, "alpha": 0.85, "ec": "white", "lw": 0.5}
    if len(table) > MANY:
        look = {"s": 9, "alpha": 0.5, "ec": "none", "rasterized": True}
    for arm in in_order(table["arm"]):
        for verdict, marker in MARKERS.items():
            mine = table[(table["arm"] == arm) & (table["verdict"].map(verdict_of) == verdict)]
            axis.scatter(mine[cost], mine["score"], marker=marker, color=colour(arm), zorder=3, **look)
    front = table[[cost in names.split() for names in table["pareto"]]].sort_values([cost, "score"])
    axis.plot(front[cost], front["score"], color=INK, lw=1.2, drawstyle="steps-post", zorder=4)
    axis.scatter(front[cost], front["score"], s=60, fc="none", ec=INK, lw=0.8, zorder=4)


def _arrows(axis: Axes, table: pd.DataFrame, improving: pd.DataFrame) -> None:
    """From the best point of each arm that was still improving to what it still needs."""
    for _, row in improving.iterrows():
        mine = table[(table["arm"] == row["arm"]) & (table["trial"] == row["trial"])]
        if mine.empty or pd.isna(row["needed_low"]):
            continue
        height, hue = float(mine["score"].iloc[0]), colour(row["arm"])
        end = row["needed_high"] if np.isfinite(row["needed_high"]) else 4 * row["budget"]
        start = float(mine["length"].iloc[0])
        axis.plot([start, end], [height, height], ls=":", color=hue, lw=1.3, zorder=2)
        axis.plot([end], [height], ">", ms=5, mfc="none" if np.isinf(row["needed_high"]) else hue, mec=hue)


def _plain(axis: Axes) -> None:
    """Plain numbers; a logarithmic axis only where the values span more than a factor of three."""
    low, high = axis.dataLim.intervalx
    if low > 0 and high > 3 * low:
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_minor_formatter(NullFormatter())
    else:
        axis.xaxis.set_major_locator(MaxNLocator(5))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
