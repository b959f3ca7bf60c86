"""Table and figure: the error over set size n and blank probability p, smoothed over all that search them."""

import json
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator

from analysis.smooth import smooth
from analysis.strength import dropout_colours
from analysis.style import FAINT, INK, MANY, MARKERS, RULE, log_y, styled, verdict_of

FEWEST = 12
"""Trials below which two dimensions at once are guesswork."""
GRID = 25
COLUMNS = ["n", "p", "mean", "low", "high", "known", "trials"]


def searched_sets(drawn: pd.DataFrame, trials: pd.DataFrame) -> pd.DataFrame:
    """Completed trials of arms that search n or p, with both as columns.

    Args:
        drawn: From `analysis.tradeoff.judged`.
        trials: Rows of trials.parquet.
    """
    searching = trials["varied"].map(lambda varied: bool({"n", "p"} & set(json.loads(varied))))
    fields = trials.loc[searching, ["arm", "trial"]].assign(p=trials.get("config.p", 0.0))
    return drawn[~drawn["other"]].merge(fields, on=["arm", "trial"], how="inner")


def contour_table(sets: pd.DataFrame) -> pd.DataFrame:
    """The smoothed error and its 95% limits on a grid over n and p, a row a grid point.

    `known` says whether the estimate is surer than the scatter of the trials themselves. Trials that
    never left the mean are left out; no rows where fewer than `FEWEST` are left, or n or p hardly vary.

    Args:
        sets: From `searched_sets`.
    """
    rows = sets[sets["verdict"].map(verdict_of) != "stuck"]
    x = np.stack([np.log(rows["n"].to_numpy(float)), rows["p"].to_numpy(float)], axis=1)
    y = np.log(rows["score"].to_numpy(float))
    if len(rows) < FEWEST:
        return pd.DataFrame(columns=COLUMNS)
    axes = [np.linspace(low, high, GRID) for low, high in zip(x.min(axis=0), x.max(axis=0), strict=True)]
    at = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    found = smooth(x, y, at)
    if found is None:
        return pd.DataFrame(columns=COLUMNS)
    lines = {name: np.exp(line) for name, line in found._asdict().items()}
    known = (found.high - found.low) / 2 < 2 * y.std(ddof=1)
    place = {"n": np.exp(at[:, 0]), "p": at[:, 1]}
    return pd.DataFrame(place | lines | {"known": known, "trials": len(rows)})


@styled
def slices_figure(sets: pd.DataFrame, contour: pd.DataFrame, mean_error: float, score: str) -> Figure:
    """Error against n, against p, and the smoothed error over both.

    Args:
        sets: From `searched_sets`, with rows.
        contour: From `contour_table`; where it has no rows its panel is left out.
        mean_error: Score of predicting the mean; NaN draws no line.
        score: Its name.
    """
    both = len(contour) > 0
    figure = Figure(figsize=(11.2 if both else 7.6, 4.0), layout="constrained")
    first, second, *third = figure.subplots(1, 3 if both else 2)
    largest = max(2.0, float(sets["n"].max()))
    _slice(first, sets, "n", "p", Normalize(0, max(0.5, float(sets["p"].max()))))
    _slice(second, sets, "p", "n", LogNorm(1, largest))
    for axis in (first, second):
        if np.isfinite(mean_error):
            axis.axhline(mean_error, color=RULE, lw=1, ls=(0, (4, 3)), zorder=1)
    _sizes(first, "x", sets)
    second.sharey(first)
    second.tick_params(labelleft=False)
    first.set_ylabel(f"pooled out-of-fold {score}")
    for axis in third:
        _contour(axis, sets, contour, score)
    seen = set(sets["verdict"].map(verdict_of))
    handles = [
        Line2D([], [], marker=marker, ls="", color=INK, label=verdict)
        for verdict, marker in MARKERS.items()
        if verdict in seen
    ]
    line = Line2D([], [], color=RULE, lw=1, ls=(0, (4, 3)), label="predicting the mean")
    figure.legend(handles=[*handles, line], loc="outside lower center", ncols=5, fontsize=8)
    return figure


def _slice(axis: Axes, sets: pd.DataFrame, across: str, shade: str, norm: Normalize) -> None:
    log_y(axis)
    many = len(sets) > MANY
    shades = dropout_colours()(norm(sets[shade].to_numpy(float)))
    for verdict, marker in MARKERS.items():
        mine = (sets["verdict"].map(verdict_of) == verdict).to_numpy()
        axis.scatter(
            sets.loc[mine, across],
            sets.loc[mine, "score"],
            s=9 if many else 32,
            marker=marker,
            color=shades[mine],
            edgecolors="none" if many else "white",
            linewidths=0.5,
            alpha=0.5 if many else 0.9,
            rasterized=many,
            zorder=3,
        )
    if axis.figure is not None:
        bar = axis.figure.colorbar(ScalarMappable(norm, dropout_colours()), ax=axis, pad=0.02, aspect=30)
        bar.set_label(shade)
        if shade == "n":
            _sizes(bar.ax, "y", sets)
    axis.set_xlabel({"n": "set size n", "p": "blank probability p"}[across])


def _sizes(axis: Axes, which: str, sets: pd.DataFrame) -> None:
    """A logarithmic axis of set sizes, ticks at those that were tried, at most eight."""
    tried = np.unique(np.concatenate([[1.0], sets["n"].to_numpy(float)]))
    shown = tried[:: -(-len(tried) // 8)]
    if which == "x":
        axis.set_xscale("log")
    one = axis.xaxis if which == "x" else axis.yaxis
    one.set_ticks(list(shown if which == "y" else shown[shown >= sets["n"].min()]))
    one.set_minor_locator(NullLocator())
    one.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _contour(axis: Axes, sets: pd.DataFrame, contour: pd.DataFrame, score: str) -> None:
    grid = contour.assign(mean=contour["mean"].where(contour["known"]))
    wide = grid.pivot(index="p", columns="n", values="mean")
    pale = LinearSegmentedColormap.from_list("error", ["#0b3d66", "#3f83b5", "#a9cbe2", "#f2f5f7"])
    filled = axis.contourf(wide.columns, wide.index, np.ma.masked_invalid(wide.to_numpy()), 8, cmap=pale)
    many = len(sets) > MANY
    dots: dict[str, Any] = {"s": 2, "rasterized": True} if many else {"s": 9, "clip_on": False}
    axis.scatter(sets["n"], sets["p"], fc="white", ec=INK, lw=0.3 if many else 0.6, zorder=3, **dots)
    # A map of nothing looks as lively as one of something: the reader is told how sure it is.
    sure = ((contour["high"] / contour["low"]) ** 0.5 - 1)[contour["known"]].median()
    if pd.notna(sure):
        axis.set_title(f"smoothed; 95% limits about ±{sure:.0%}")
    axis.grid(visible=False)
    _sizes(axis, "x", sets)
    axis.set_xlabel("set size n")
    axis.set_ylabel("blank probability p")
    if axis.figure is not None:
        bar = axis.figure.colorbar(filled, ax=axis, pad=0.02, aspect=30)
        bar.set_label(f"smoothed {score}")
        bar.ax.tick_params(color=FAINT)
