"""Figure: parallel coordinates, a line a trial through its configuration to its score (Inselberg 1985)."""

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.selection import is_mae
from analysis.style import FAINT, MANY, colour, styled
from analysis.words import SHORT, in_order, number

WIDE = 20.0
"""Ratio of largest to smallest from which positive numbers are spread by their logarithm."""
LEADING = 0.1
"""Share of an arm's trials, the best, that is drawn in full colour."""


@dataclass(frozen=True, kw_only=True)
class Coordinate:
    """One vertical axis: a value's place between 0 and 1, by trial, and ticks."""

    name: str
    places: "pd.Series[float]"
    ticks: list[tuple[float, str]]


def ranked_trials(trials: pd.DataFrame) -> pd.DataFrame:
    """Completed trials with finite scores, worst first, `leading` where among the best of their arm."""
    done = trials[(trials["status"] == "completed") & np.isfinite(trials["score"].astype(float))]
    done = done.sort_values(["score", "arm", "trial"], ascending=False, kind="stable")
    place = done.groupby("arm")["score"].rank(method="first")
    size = done.groupby("arm")["score"].transform("size")
    return done.assign(leading=place <= np.maximum(1, np.ceil(LEADING * size)))


def coordinates(ranked: pd.DataFrame) -> list[Coordinate]:
    """The fields that any arm varies and that differ between trials, then the score.

    Args:
        ranked: From `ranked_trials`; trials of arms that hold a field fixed have its fixed value.
    """
    by_arm = ranked.drop_duplicates("arm").set_index("arm")["varied"]
    varied = {field: None for arm in in_order(by_arm.index) for field in json.loads(str(by_arm[arm]))}
    columns = {field: ranked[f"config.{field}"] for field in varied if f"config.{field}" in ranked}
    found = [
        _coordinate(SHORT.get(field) or field, values)
        for field, values in columns.items()
        if values.nunique() > 1
    ]
    return [*found, _coordinate("MAE" if is_mae(ranked) else "MSE", ranked["score"])]


def _coordinate(name: str, values: pd.Series) -> Coordinate:
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if not numeric:
        texts = values.astype(str)
        kinds = sorted(texts.unique())
        at = {kind: (i + 0.5) / len(kinds) for i, kind in enumerate(kinds)}
        return Coordinate(
            name=name, places=texts.map(at).astype(float), ticks=[(at[kind], kind) for kind in kinds]
        )
    numbers = values.astype(float)
    spread = np.log if numbers.min() > 0 and numbers.max() / numbers.min() > WIDE else np.asarray
    low, high = float(spread(numbers.min())), float(spread(numbers.max()))
    width = high - low or 1.0
    places = pd.Series((spread(numbers) - low) / width, index=values.index)
    if numbers.nunique() <= 6:
        marks = sorted(numbers.unique())
    else:
        marks = [float(np.exp(at) if spread is np.log else at) for at in np.linspace(low, high, 4)]
    ticks = [(float((spread(mark) - low) / width), number(mark, 2)) for mark in marks]
    return Coordinate(name=name, places=places, ticks=_apart(ticks))


def _apart(ticks: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """Ticks that do not overlap, from the lowest up."""
    kept: list[tuple[float, str]] = []
    for tick in ticks:
        if not kept or tick[0] - kept[-1][0] > 0.05:
            kept.append(tick)
    return kept


@styled
def coordinates_figure(ranked: pd.DataFrame) -> Figure:
    """A line a completed trial; the best tenth of each arm in full colour, the others faint.

    Args:
        ranked: From `ranked_trials`, at least one row.
    """
    axes = coordinates(ranked)
    figure = Figure(figsize=(max(5.0, 1.25 * len(axes)), 4.4), layout="constrained")
    axis = figure.subplots()
    lines = np.stack(
        [np.column_stack([np.full(len(ranked), i), c.places]) for i, c in enumerate(axes)], axis=1
    )
    leading, many = ranked["leading"].to_numpy(bool), len(ranked) > MANY
    hues = np.array([colour(arm) for arm in ranked["arm"]])
    for chosen, width, alpha in (
        (~leading, 0.3 if many else 0.6, 0.12 if many else 0.25),
        (leading, 1.3, 0.9),
    ):
        bundle = LineCollection([*lines[chosen]], colors=[*hues[chosen]], rasterized=many)
        bundle.set(linewidth=width if chosen is not leading or not many else 0.6, alpha=alpha)
        axis.add_collection(bundle)
    for place, coordinate in enumerate(axes):
        axis.axvline(place, color=FAINT, lw=0.8)
        for height, text in coordinate.ticks:
            axis.annotate(
                text,
                (place, height),
                (3, 0),
                textcoords="offset points",
                fontsize=7,
                va="center",
                parse_math=False,
            )
    axis.set(xlim=(-0.15, len(axes) - 0.55), ylim=(-0.04, 1.04), yticks=[], xticks=range(len(axes)))
    axis.set_xticklabels([coordinate.name for coordinate in axes], parse_math=False)
    axis.grid(visible=False)
    axis.spines[["left", "bottom"]].set_visible(False)
    axis.tick_params(length=0)
    arms = in_order(ranked["arm"])
    handles = [Line2D([], [], color=colour(arm), lw=2, label=arm) for arm in arms]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=max(2, int(figure.get_size_inches()[0] / 1.75))
    )
    return figure
