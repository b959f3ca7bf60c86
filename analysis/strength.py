"""Figure: error against the three faces of regularisation strength."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from analysis.style import FAINT, INK, MANY, MARKERS, RULE, log_y, styled, verdict_of
from analysis.tradeoff import FACES

LINE, FLAT = "#0072b2", "#009e73"


@styled
def strength_figure(drawn: pd.DataFrame, smoothed: pd.DataFrame, mean_error: float, score: str) -> Figure:
    """Error of the completed trials against each face; colour is dropout, hollow is replacement.

    Args:
        drawn: From `judged`.
        smoothed: From `smoothed_table`.
        mean_error: Score of predicting the mean; NaN draws no line.
        score: Its name.
    """
    figure = Figure(figsize=(10.4, 4.6), layout="constrained")
    axes = figure.subplots(1, 3, sharey=True)
    norm = Normalize(0, max(0.5, float(drawn["dropout"].max())))
    for axis, (face, title) in zip(axes, FACES.items(), strict=True):
        log_y(axis)
        _scale(axis, face, drawn[face])
        _flat(axis, drawn, face)
        _points(axis, drawn, face, norm)
        _lines(axis, smoothed[smoothed["face"] == face])
        axis.set_xlabel(title)
        if np.isfinite(mean_error):
            axis.axhline(mean_error, color=RULE, lw=1, ls=(0, (4, 3)), zorder=1)
    axes[0].set_ylabel(f"pooled {score}")
    bar = figure.colorbar(ScalarMappable(norm, dropout_colours()), ax=axes, pad=0.01, aspect=30)
    bar.set_label("dropout")
    figure.legend(
        handles=_handles(drawn, smoothed), loc="outside lower center", ncols=4, fontsize=8, handletextpad=0.6
    )
    return figure


def dropout_colours() -> Colormap:
    """Plasma without its pale end: told apart by colour-blind readers, and on white."""
    return LinearSegmentedColormap.from_list("dropout", colormaps["plasma"](np.linspace(0.0, 0.82, 64)))


def _points(axis: Axes, drawn: pd.DataFrame, face: str, norm: Normalize) -> None:
    many = len(drawn) > MANY
    look: dict[str, Any] = {"s": 9, "rasterized": True} if many else {"s": 30}
    x, shades = _places(drawn[face]), dropout_colours()(norm(drawn["dropout"].to_numpy(float)))
    trained = drawn["train_error"].notna()
    axis.scatter(x[trained], drawn.loc[trained, "train_error"], marker="_", color=FAINT, zorder=2, **look)
    for verdict, marker in MARKERS.items():
        for hollow in (False, True):
            mine = (drawn["verdict"].map(verdict_of) == verdict) & (drawn["replacement"] == hollow)
            mine &= ~drawn["other"]
            edge = shades[mine] if hollow else ("none" if many else "white")
            fill = "none" if hollow else shades[mine]
            axis.scatter(
                x[mine],
                drawn.loc[mine, "score"],
                marker=marker,
                facecolors=fill,
                edgecolors=edge,
                linewidths=1.2 if hollow else 0.5,
                alpha=0.5 if many else 0.9,
                zorder=3,
                **look,
            )
    others = drawn["other"]
    axis.scatter(x[others], drawn.loc[others, "score"], marker="d", color=FAINT, alpha=0.6, zorder=2, **look)
    for chosen, size, width in ((drawn["flat"], 75, 0.8), (drawn["least"], 170, 2)):
        dense = many and chosen.sum() > 1
        look = {"s": 14, "lw": 0.4, "rasterized": True} if dense else {"s": size, "lw": width}
        axis.scatter(x[chosen], drawn.loc[chosen, "score"], fc="none", ec=FLAT, zorder=5, **look)


def _places(values: "pd.Series[float]") -> "pd.Series[float]":
    """Where an infinite weight, under which only the total is learned, gets its place: at the right."""
    return values.astype(float).replace(np.inf, _beyond(values))


def _beyond(values: "pd.Series[float]") -> float:
    return float(5 * max([2.0, *values[np.isfinite(values.astype(float))]]))


def _flat(axis: Axes, drawn: pd.DataFrame, face: str) -> None:
    """The span of the flat region, as a band behind everything."""
    x = _places(drawn[face])[drawn["flat"]]
    if len(x):
        axis.axvspan(x.min(), x.max(), color=FLAT, alpha=0.1, lw=0, zorder=0)


def _lines(axis: Axes, smoothed: pd.DataFrame) -> None:
    for quantity, (hue, dashes) in {"out-of-fold": (LINE, "-"), "training": (INK, "--")}.items():
        line = smoothed[smoothed["quantity"] == quantity]
        axis.plot(line["x"], line["mean"], dashes, color=hue, lw=1.8, zorder=4)
        x, low, high = (line[name].to_numpy(float) for name in ("x", "low", "high"))
        axis.fill_between(x, low, high, color=hue, alpha=0.15, lw=0, zorder=1)


def _handles(drawn: pd.DataFrame, smoothed: pd.DataFrame) -> list[Line2D]:
    """One legend: what shapes, fills, lines and bands mean, of those that are drawn."""
    seen = set(drawn.loc[~drawn["other"], "verdict"].map(verdict_of))
    shape: dict[str, Any] = {"ls": "", "mfc": INK, "mec": INK}
    handles: list[Line2D] = [
        Line2D([], [], marker=marker, label=verdict, **shape)
        for verdict, marker in MARKERS.items()
        if verdict in seen
    ]
    hollow = Line2D([], [], marker="o", ls="", mfc="none", mec=INK, label="hollow: with replacement")
    other = Line2D([], [], marker="d", ls="", color=FAINT, label="another objective")
    trained = Line2D([], [], marker="_", ls="", color=FAINT, label="training error of a trial")
    flat = Line2D([], [], marker="o", ls="", ms=8, mfc="none", mec=FLAT, label="within one SE of the best")
    ring = Line2D(
        [], [], marker="o", ls="", ms=11, mfc="none", mec=FLAT, mew=2, label="least regularised of them"
    )
    shown = [
        (drawn["replacement"].any(), hollow),
        (drawn["other"].any(), other),
        (len(smoothed) > 0, Line2D([], [], color=LINE, lw=1.8, label="smoothed, 95% band")),
        (drawn["train_error"].notna().any(), trained),
        (
            "training" in set(smoothed["quantity"]),
            Line2D([], [], color=INK, ls="--", label="training, smoothed"),
        ),
        (drawn["flat"].any(), flat),
        (drawn["least"].any(), ring),
    ]
    handles += [handle for wanted, handle in shown if wanted]
    return [*handles, Line2D([], [], color=RULE, lw=1, ls=(0, (4, 3)), label="predicting the mean")]


def _scale(axis: Axes, face: str, values: "pd.Series[float]") -> None:
    if face == "distinct_sets":
        axis.set_xscale("log")
    elif face == "mean_error_weight":
        infinite = _beyond(values) if np.isinf(values.astype(float)).any() else None
        axis.set_xscale("function", functions=(lambda x: np.log1p(np.maximum(x, -0.9)), np.expm1))
        axis.minorticks_off()
        ticks = [tick for tick in (0, 1, 3, 10, 30, 100, 300) if infinite is None or tick < infinite / 3]
        axis.set_xticks([*ticks] if infinite is None else [*ticks, infinite])
        axis.xaxis.set_major_formatter(
            FuncFormatter(lambda value, _: "∞" if value == infinite else f"{value:g}")
        )
        axis.set_xlim(-0.15, 1.4 * float(_places(values).max()) + 0.3)
    else:
        axis.set_xscale("log", base=2)
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
