"""Live figures of the test predictions: predicted against true, and Bland and Altman's differences."""

from typing import Any

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


def bland_altman(standing: pd.DataFrame, unit: str) -> Live:
    """Prediction minus label against their mean, with bias and limits of agreement, a panel an arm.

    The limits are bias plus and minus 1.96 SD of the differences (Bland and Altman 1986).

    Args:
        standing: As for `predicted`.
        unit: Of the label.
    """
    cases, arms = _cases(standing), in_order(standing["arm"])
    cases = cases.assign(
        mean=(cases["prediction"] + cases["label"]) / 2, off=cases["prediction"] - cases["label"]
    )
    across = _padded(cases["mean"].min(), cases["mean"].max())
    titles, data, heights = [], [], [*cases["off"]]
    for panel, arm in enumerate(arms):
        mine = cases[cases["arm"] == arm]
        bias, spread = float(mine["off"].mean()), 1.96 * float(mine["off"].std(ddof=1))
        heights += [bias - spread, bias + spread] if len(mine) > 1 else []
        text = f"bias {signed(bias, 1)}, limits {interval(bias - spread, bias + spread, 1)}"
        titles.append(f"<b>{label(arm)}</b><br>{text}")
        data += [ruled(across, [at, at], panel) for at in (bias - spread, bias + spread)]
        data += [_solid(across, bias, panel), _points(arm, panel, mine, mine["mean"], mine["off"])]
    suffix = f" ({unit})" if unit else ""
    up = _padded(min(heights), max(heights))
    return _panels(
        titles, data, f"mean of label and prediction{suffix}", f"prediction − label{suffix}", across, up
    )


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
    line = {"color": "--ink", "width": 1}
    look = {"mode": "lines", "line": line, "hoverinfo": "skip", "showlegend": False}
    return on(panel, look | {"x": rounded(across), "y": rounded([height, height])})


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
