"""Live figures of the test predictions: predicted against true, and Bland and Altman's differences."""

from typing import Any

import numpy as np
import pandas as pd

from analysis.live.frame import (
    Live,
    Trace,
    axis,
    axis_names,
    frame,
    hover,
    label,
    marker,
    on,
    rounded,
    ruled,
)
from analysis.tested import averaged
from analysis.words import fixed, in_order, interval, number, signed

PANELS = 3
"""Panels in a row."""


def predicted(standing: pd.DataFrame, agreement: pd.DataFrame, unit: str) -> Live:
    """Predictions averaged over seeds against labels, a panel an arm, with their range over seeds.

    Args:
        standing: arm, seed, scan, site, label, prediction; a row a seed and scan.
        agreement: arm, icc, icc_low, icc_high of the averaged predictions.
        unit: Of the label.
    """
    cases, arms = _cases(standing), in_order(standing["arm"])
    scores = agreement.set_index("arm")
    limits = _padded(cases[["label", "low"]].min().min(), cases[["label", "high"]].max().max())
    titles, data = [], []
    for panel, arm in enumerate(arms):
        mine = cases[cases["arm"] == arm]
        icc, low, high = (float(scores[name][arm]) for name in ("icc", "icc_low", "icc_high"))
        titles.append(f"<b>{label(arm)}</b><br>ICC {fixed(icc)} {interval(low, high)}")
        data += [ruled(limits, limits, panel), _points(arm, panel, mine, mine["label"], mine["prediction"])]
        data[-1]["error_y"] = {
            "type": "data",
            "symmetric": False,
            "array": rounded(mine["high"] - mine["prediction"]),
            "arrayminus": rounded(mine["prediction"] - mine["low"]),
            "color": "--faint",
            "thickness": 1,
            "width": 0,
        }
    suffix = f" ({unit})" if unit else ""
    return _panels(titles, data, f"true label{suffix}", f"prediction{suffix}", limits, limits)


def bland_altman(standing: pd.DataFrame, agreement: pd.DataFrame, unit: str) -> Live:
    """Prediction minus label against their mean, with bias and limits of agreement, a panel an arm.

    Args:
        standing: As for `predicted`.
        agreement: arm, bias, loa_lower, loa_upper and their `_low` and `_high`, of the averaged predictions.
        unit: Of the label.
    """
    cases, arms = _cases(standing), in_order(standing["arm"])
    cases = cases.assign(
        mean=(cases["prediction"] + cases["label"]) / 2, off=cases["prediction"] - cases["label"]
    )
    across = _padded(cases["mean"].min(), cases["mean"].max())
    limits, lines = agreement.set_index("arm"), ("bias", "loa_lower", "loa_upper")
    titles, data, bands, heights = (
        [],
        [],
        [],
        [*cases["off"], *limits[[*lines]].astype(float).to_numpy().ravel()],
    )
    for panel, arm in enumerate(arms):
        mine = cases[cases["arm"] == arm]
        bias, lower, upper = (float(limits[name][arm]) for name in lines)
        text = f"bias {signed(bias, 1)}, limits {interval(lower, upper, 1)}"
        titles.append(f"<b>{label(arm)}</b><br>{text}")
        data += [ruled(across, [at, at], panel) for at in (lower, upper)]
        bands += [
            _band(panel, *(float(limits[f"{name}_{end}"][arm]) for end in ("low", "high"))) for name in lines
        ]
        data += [_solid(across, bias, panel), _points(arm, panel, mine, mine["mean"], mine["off"])]
    suffix = f" ({unit})" if unit else ""
    up = _padded(float(np.nanmin(heights)), float(np.nanmax(heights)))
    figure = _panels(
        titles, data, f"mean of label and prediction{suffix}", f"prediction − label{suffix}", across, up
    )
    figure.layout["shapes"] = bands
    return figure


def _cases(standing: pd.DataFrame) -> pd.DataFrame:
    """A row an arm and scan: `averaged`, with the lowest and highest prediction over seeds."""
    spread = standing.groupby(["arm", "scan"])["prediction"].agg(low="min", high="max").reset_index()
    return averaged(standing).merge(spread, on=["arm", "scan"])


def _points(arm: str, panel: int, cases: pd.DataFrame, x: "pd.Series[float]", y: "pd.Series[float]") -> Trace:
    texts = [
        hover(
            case["scan"],
            f"site {case['site']}" if isinstance(case.get("site"), str) and case["site"] else "",
            f"label {number(case['label'])}, {arm} {number(case['prediction'])}",
            f"over {case['seeds']} seeds {number(case['low'])} to {number(case['high'])}"
            if case["seeds"] > 1
            else "",
        )
        for _, case in cases.iterrows()
    ]
    look = {"mode": "markers", "marker": marker(arm), "name": label(arm), "showlegend": False}
    return on(panel, look | {"x": rounded(x), "y": rounded(y), "hovertext": texts, "hoverinfo": "text"})


def _solid(across: tuple[float, float], height: float, panel: int) -> Trace:
    line = {"color": "--rule", "width": 1}
    look = {"mode": "lines", "line": line, "hoverinfo": "skip", "showlegend": False}
    return on(panel, look | {"x": rounded(across), "y": rounded([height, height])})


def _band(panel: int, low: float, high: float) -> dict[str, Any]:
    """The interval of a line, as a shape of the layout; none where a single scan gives none."""
    ends = rounded([low, high])
    if None in ends:
        return {"type": "rect", "visible": False}
    y = f"y{panel + 1 if panel else ''}"
    place = {
        "x0": 0,
        "x1": 1,
        "y0": ends[0],
        "y1": ends[1],
        "xref": f"{y.replace('y', 'x')} domain",
        "yref": y,
    }
    return place | {
        "type": "rect",
        "fillcolor": "rgba(200,60,50,0.12)",
        "line": {"width": 0},
        "layer": "below",
    }


def _padded(low: float, high: float) -> tuple[float, float]:
    margin = 0.05 * (high - low) or 1.0
    return float(low - margin), float(high + margin)


def _panels(
    titles: list[str],
    data: list[Trace],
    across: str,
    up: str,
    limits_x: tuple[float, float],
    limits_y: tuple[float, float],
) -> Live:
    columns = min(PANELS, len(titles))
    layout: dict[str, Any] = frame(titles, columns=columns, height=330, bottom=60)
    for panel in range(len(titles)):
        x, y = axis_names(panel)
        lowest = panel >= len(titles) - columns
        layout[x] = axis(across if lowest else "", range=rounded(limits_x))
        layout[y] = axis(up if panel % columns == 0 else "", range=rounded(limits_y))
    return Live(data=data, layout=layout, width=250 * columns + 60)
