"""Figure: pooled out-of-fold error by presentations, a panel an arm."""

from collections.abc import Collection

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.style import FAINT, INK, MANY, MARKERS, RULE, colour, log_y, panels, styled, verdict_of
from analysis.words import clipped, in_order


@styled
def validation_curves(
    curves: pd.DataFrame, trials: pd.DataFrame, best: dict[str, int], mean_error: float
) -> Figure:
    """Every trial's pooled MSE as a thin line, the arm's best in bold with its chosen length marked.

    Args:
        curves: arm, trial, presentations, mse; a row a report.
        trials: arm, trial, status, length, verdict.
        best: The trial that stands for each arm.
        mean_error: MSE of predicting the mean, the labels' variance; NaN draws no line.
    """
    arms = in_order(trials["arm"])
    many = len(trials) > MANY
    figure, axes = panels(len(arms), width=2.9, height=2.4, most=3)
    for axis, arm in zip(axes, arms, strict=True):
        mine = trials[trials["arm"] == arm].set_index("trial")
        _panel(axis, curves[curves["arm"] == arm], mine, colour(arm), best.get(arm), many)
        title = (
            f"{clipped(arm, 24)}: {verdict_of(mine.loc[best[arm], 'verdict'])}"
            if arm in best
            else f"{clipped(arm, 24)}: none completed"
        )
        axis.set_title(title)
        if np.isfinite(mean_error):
            axis.axhline(mean_error, color=RULE, lw=1, ls=(0, (4, 3)))
    log_y(axes[0])
    axes[0].set_ylim(*heights(curves["mse"], mean_error))
    for axis in axes[-3:]:
        axis.set_xlabel("presentations")
    figure.supylabel("pooled out-of-fold MSE", fontsize=9)
    _legend(figure)
    return figure


def _panel(
    axis: Axes, curves: pd.DataFrame, trials: pd.DataFrame, hue: str, best: int | None, many: bool
) -> None:
    completed = set(trials.index[trials["status"] == "completed"])
    for group, style in ((completed - {best}, "-"), (set(trials.index) - completed, ":")):
        # One collection, not a line a trial: those would take minutes for thousands.
        lines = LineCollection(_lines(curves, group), colors=hue, linestyles=style, rasterized=many)
        lines.set(linewidth=0.3 if many else 0.9, alpha=0.2 if many else 0.35)
        axis.add_collection(lines)
    chosen = curves[curves["trial"] == best].sort_values("presentations")
    if best is None or chosen.empty:
        return
    length = float(trials["length"][best])
    axis.plot(chosen["presentations"], chosen["mse"], color=hue, lw=2.2, zorder=3)
    height = np.interp(length, chosen["presentations"], chosen["mse"])
    marker = MARKERS[verdict_of(trials.loc[best, "verdict"])]
    axis.plot([length], [height], marker, color=hue, ms=9, mec="white", mew=1.2, zorder=4)


def _lines(curves: pd.DataFrame, trials: Collection[int]) -> list[np.ndarray]:
    """An array (reports, 2) of presentations and MSE for each of the trials."""
    ordered = curves[curves["trial"].isin(trials)].sort_values(["trial", "presentations"], kind="stable")
    points = ordered[["presentations", "mse"]].to_numpy(float)
    starts = np.flatnonzero(np.diff(ordered["trial"].to_numpy(int))) + 1
    return np.split(points, starts)


def heights(values: "pd.Series[float]", mean_error: float) -> tuple[float, float]:
    """The range of a logarithmic axis; its top shows what is near the mean predictor's error, not a
    trial that exploded. (1, 10) where there is nothing to show."""
    finite = values[np.isfinite(values.astype(float)) & (values > 0)]
    if finite.empty:
        return 1.0, 10.0
    top = float(finite.max())
    if np.isfinite(mean_error) and mean_error > 0:
        top = min(top, 8 * mean_error) if finite.min() < 8 * mean_error else top
        top = max(top, mean_error)
    return float(min(finite.min(), mean_error if mean_error > 0 else np.inf)) / 1.25, top * 1.25


def _legend(figure: Figure) -> None:
    handles = [
        Line2D([], [], color=INK, lw=2.2, label="best of the arm"),
        Line2D([], [], color=FAINT, lw=0.9, label="other trials"),
        Line2D([], [], color=FAINT, lw=0.9, ls=":", label="not completed"),
        Line2D([], [], color=RULE, lw=1, ls=(0, (4, 3)), label="predicting the mean"),
        *(
            Line2D([], [], marker=m, ls="", color=INK, label=f"chosen length ({v})")
            for v, m in MARKERS.items()
        ),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=7.5)
