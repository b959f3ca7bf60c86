"""Table and figure: error of every trial against the three faces of regularisation strength."""

import json
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter
from matplotlib.transforms import ScaledTranslation

from analysis.selection import is_mae
from analysis.style import MANY, MARKERS, RULE, colour, legend_of, log_y, styled, verdict_of
from analysis.words import in_order, short_configuration

FACES = {
    "expected_set_size": "expected set size n(1 - p)",
    "mean_error_weight": "mean-error weight λ",
    "distinct_sets": "distinct virtual samples",
}


def tradeoff_table(trials: pd.DataFrame) -> pd.DataFrame:
    """A row a trial, best first: score, verdict, three faces, cost; those not completed last, unranked."""
    kept = ["arm", "trial", "status", "origin", "verdict", "score", "mse", "mae", "icc", *FACES]
    cost = ["length", "presentations", "steps", "seconds", "peak_memory_mb", "shift", "reason"]
    table = trials[[name for name in [*kept, *cost] if name in trials]].copy()
    pairs = zip(trials["config"], trials["varied"], strict=True)
    table.insert(2, "configuration", [short_configuration(config, varied) for config, varied in pairs])
    table["n"] = [json.loads(config).get("n") for config in trials["config"]]
    done = (table["status"] == "completed") & np.isfinite(table["score"].astype(float))
    table.insert(0, "rank", table["score"].where(done).rank(method="min"))
    return table.sort_values(["rank", "arm", "trial"], na_position="last").reset_index(drop=True)


def unranked(trials: pd.DataFrame) -> str:
    """How many trials are not ranked, by status, such as `3 pruned, 1 failed`; empty where all are."""
    counts = trials["status"].value_counts().drop("completed", errors="ignore").sort_index()
    return ", ".join(f"{count} {status}" for status, count in counts.items())


@styled
def tradeoff_figure(trials: pd.DataFrame, mean_error: float) -> Figure:
    """Score of the completed trials against each face; colour is the arm, shape the verdict.

    Args:
        trials: Rows of trials.parquet.
        mean_error: Score of predicting the mean; NaN draws no line.
    """
    done = trials[(trials["status"] == "completed") & np.isfinite(trials["score"].astype(float))]
    figure = Figure(figsize=(9.6, 3.9), layout="constrained")
    axes = figure.subplots(1, 3, sharey=True)
    for axis, (face, title) in zip(axes, FACES.items(), strict=True):
        log_y(axis)
        _panel(axis, done, face, mean_error)
        axis.set_xlabel(title)
        if np.isfinite(mean_error):
            axis.axhline(mean_error, color=RULE, lw=1, ls=(0, (4, 3)), zorder=1)
    axes[0].set_ylabel(f"pooled out-of-fold {'MAE' if is_mae(done) else 'MSE'}")
    left_out = unranked(trials)
    axes[0].set_title(f"{len(done)} completed trials" + (f"; not ranked: {left_out}" if left_out else ""))
    line = Line2D([], [], color=RULE, lw=1, ls=(0, (4, 3)), label="predicting the mean")
    legend_of(figure, done["arm"], map(verdict_of, done["verdict"]), [line])
    return figure


def _panel(axis: Axes, done: pd.DataFrame, face: str, mean_error: float) -> None:
    arms = in_order(done["arm"])
    x, score = done[face].astype(float), done["score"].astype(float)
    # Only the total is learned where the weight is infinite: it gets a place of its own at the right.
    beyond = 5 * max([2.0, *x[np.isfinite(x)]])
    _scale(axis, face, beyond if np.isinf(x).any() else None)
    x = x.replace(np.inf, beyond)
    axis.margins(x=0.12)
    heights = [*score, mean_error] if np.isfinite(mean_error) else [*score]
    axis.update_datalim([(place, height) for place in (x.min(), x.max()) for height in heights])
    axis.autoscale_view()
    axis.autoscale(False)
    for index, arm in enumerate(arms):
        # Arms share many values (n = 1): a shift by some points keeps them apart on any scale.
        aside = ScaledTranslation((index - (len(arms) - 1) / 2) * 4 / 72, 0, axis.figure.dpi_scale_trans)
        for verdict, marker in MARKERS.items():
            mine = (done["arm"] == arm) & (done["verdict"].map(verdict_of) == verdict)
            look: dict[str, Any] = {"s": 34, "color": colour(arm), "alpha": 0.85, "ec": "white", "lw": 0.5}
            if len(done) > MANY:
                look |= {"s": 9, "alpha": 0.5, "ec": "none", "rasterized": True}
            axis.scatter(
                x[mine], score[mine], marker=marker, transform=axis.transData + aside, zorder=3, **look
            )


def _scale(axis: Axes, face: str, infinite: float | None) -> None:
    if face == "distinct_sets":
        axis.set_xscale("log")
    elif face == "mean_error_weight":
        axis.set_xscale("symlog", linthresh=1.0)
        axis.minorticks_off()
        ticks = [tick for tick in (0, 1, 3, 10, 30, 100, 300) if infinite is None or tick < infinite / 3]
        axis.set_xticks([*ticks] if infinite is None else [*ticks, infinite])
        axis.xaxis.set_major_formatter(
            FuncFormatter(lambda value, _: "∞" if value == infinite else f"{value:g}")
        )
    else:
        axis.set_xscale("log", base=2)
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
