"""What every plotly figure of a report shares: panels, colours, hover text, and how much is drawn.

A figure is plain dicts of plotly's schema. Colours that begin with `--` are the page's own and
follow its light and dark. plotly reads tags and entities in every text it draws: whatever comes
from a study goes through `plain` first.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from analysis.style import colour
from analysis.words import clipped, number

Trace = dict[str, Any]

MOST_POINTS = 600
"""Points of a figure that a browser still draws and moves at once."""

SHAPES = {"converged": "circle", "improving": "triangle-up", "stuck": "x", "not judged": "square"}
"""plotly's names of the markers of `analysis.style`."""


@dataclass(frozen=True, kw_only=True)
class Live:
    """A plotly figure."""

    data: list[Trace]
    layout: dict[str, Any]
    width: int
    """Pixels that it needs; on a narrower screen it scrolls."""
    note: str = ""
    """What it leaves out, as a sentence; empty if nothing."""


def plain(text: object) -> str:
    """Text that plotly draws as it is, tags and all."""
    return escape(" ".join(str(text).split()), quote=False)


def label(name: str) -> str:
    """A name short enough for a title or a legend, drawn as it is."""
    return plain(clipped(name, 26))


def hover(title: object, *lines: str) -> str:
    """Text shown beside a point; `title` and lines are plain text."""
    return "<br>".join([f"<b>{plain(title)}</b>", *(plain(line) for line in lines if line)])


def rounded(values: Iterable[float]) -> list[float | None]:
    """Five significant digits, which no screen shows more of; None where there is no number."""
    return [float(f"{value:.5g}") if math.isfinite(value) else None for value in map(float, values)]


def evenly(rows: pd.DataFrame, most: int) -> pd.DataFrame:
    """At most so many rows, evenly spread over their order; the first is always among them."""
    if len(rows) <= most:
        return rows
    return rows.iloc[np.unique(np.linspace(0, len(rows) - 1, most).round().astype(int))]


def marker(arm: str, *, size: float = 8, opacity: float = 0.85, shape: str = "circle") -> dict[str, Any]:
    """An arm's marker."""
    line = {"color": "--card", "width": 0.7}
    return {"color": colour(arm), "size": size, "opacity": opacity, "symbol": shape, "line": line}


def ruled(
    x: Sequence[float], y: Sequence[float], panel: int, name: str = "", *, legend: bool = False
) -> Trace:
    """A dashed line of reference."""
    trace = {"x": rounded(x), "y": rounded(y), "mode": "lines", "hoverinfo": "skip", "showlegend": legend}
    return on(panel, trace | {"name": name, "line": {"color": "--rule", "width": 1, "dash": "dash"}})


def level(height: float, panel: int) -> dict[str, Any]:
    """A dashed line across a panel, as a shape of the layout."""
    suffix = str(panel + 1) if panel else ""
    line = {"color": "--rule", "width": 1, "dash": "dash"}
    ends = {"x0": 0, "x1": 1, "y0": height, "y1": height}
    return {"type": "line", "xref": f"x{suffix} domain", "yref": f"y{suffix}", **ends, "line": line}


def on(panel: int, trace: Trace) -> Trace:
    """The trace in a panel, counted from 0."""
    suffix = str(panel + 1) if panel else ""
    return {"type": "scatter", **trace, "xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}


def axis_names(panel: int) -> tuple[str, str]:
    """The layout's keys for a panel's axes."""
    suffix = str(panel + 1) if panel else ""
    return f"xaxis{suffix}", f"yaxis{suffix}"


def axis(title: str = "", **more: object) -> dict[str, Any]:
    """An axis in the page's colours; `title` is plain text."""
    look: dict[str, Any] = {
        "gridcolor": "--line",
        "linecolor": "--faint",
        "zeroline": False,
        "automargin": True,
    }
    font = {"size": 11, "color": "--ink"}
    named = {"title": {"text": plain(title), "font": {"size": 12}, "standoff": 8}} if title else {}
    return {**look, "tickfont": font, **named, **more}


def log_axis(title: str, low: float, high: float, **more: object) -> dict[str, Any]:
    """A logarithmic axis from `low` to `high` (positive), ticks at 1, 2 and 5 times powers of ten."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    few = (1, 2, 5) if len(decades) <= 4 else (1,)
    ticks = [tick for power in decades for step in few if low <= (tick := step * 10.0**power) <= high]
    ends = [math.log10(low), math.log10(high)]
    return axis(
        title, type="log", range=ends, tickvals=ticks, ticktext=[number(tick) for tick in ticks], **more
    )


def frame(titles: Sequence[str], *, columns: int, height: int, bottom: int = 80) -> dict[str, Any]:
    """The layout of panels in rows of `columns`, each with a title (HTML of plotly's kind, escaped).

    Args:
        titles: One a panel, in the order of their axes.
        columns: Panels in a row.
        height: Pixels of a row.
        bottom: Pixels beneath, for axis titles and the legend.
    """
    rows = max(1, math.ceil(len(titles) / columns))
    notes = [
        {
            "text": title,
            "xref": f"x{i + 1 if i else ''} domain",
            "yref": f"y{i + 1 if i else ''} domain",
            "x": 0,
            "y": 1,
            "xanchor": "left",
            "yanchor": "bottom",
            "align": "left",
            "showarrow": False,
            "font": {"size": 12, "color": "--ink"},
        }
        for i, title in enumerate(titles)
        if title
    ]
    layout: dict[str, Any] = {
        "height": rows * height + bottom,
        "margin": {"l": 60, "r": 16, "t": 56 if any(titles) else 30, "b": bottom},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 12, "color": "--ink"},
        "hovermode": "closest",
        "hoverlabel": {
            "bgcolor": "--card",
            "bordercolor": "--faint",
            "font": {"color": "--ink", "size": 12},
            "align": "left",
        },
        "legend": {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": "--soft", "activecolor": "--ink"},
        "annotations": notes,
    }
    if len(titles) > 1:
        gaps = {"xgap": 0.08 if columns < 4 else 0.12, "ygap": 0.26}
        layout["grid"] = {"rows": rows, "columns": columns, "pattern": "independent", **gaps}
    return layout
