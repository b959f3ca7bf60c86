"""Live figure: pooled out-of-fold error by presentations, pruned trials among them, a panel an arm."""

from typing import Any

import numpy as np
import pandas as pd

from analysis.curves import heights
from analysis.live.frame import (
    SHAPES,
    Live,
    Trace,
    axis,
    axis_names,
    evenly,
    frame,
    hover,
    label,
    level,
    log_axis,
    marker,
    on,
    rounded,
)
from analysis.style import colour, verdict_of
from analysis.words import in_order, number, short_configuration

MOST_LINES = 150
"""Curves of a figure: each is an element that a browser moves."""
PANELS = 3


def curves(curves: pd.DataFrame, trials: pd.DataFrame, best: dict[str, int], mean_error: float) -> Live:
    """Every trial's pooled MSE, those not completed dotted, the arm's best in bold.

    Args:
        curves: arm, trial, presentations, mse; a row a report.
        trials: Rows of trials.parquet.
        best: The trial that stands for each arm.
        mean_error: MSE of predicting the mean; NaN draws no line.
    """
    arms = in_order(trials["arm"])
    columns, share = min(PANELS, len(arms)), max(4, MOST_LINES // len(arms))
    low, high = heights(curves["mse"], mean_error)
    data: list[Trace] = []
    titles, drawn = [], 0
    layout: dict[str, Any] = {}
    for panel, arm in enumerate(arms):
        mine = trials[trials["arm"] == arm].set_index("trial")
        traces, count = _panel(curves[curves["arm"] == arm], mine, best.get(arm), arm, panel, share)
        data, drawn = data + traces, drawn + count
        verdict = verdict_of(mine.loc[best[arm], "verdict"]) if arm in best else "none completed"
        titles.append(f"<b>{label(arm)}</b>: {verdict}")
        x, y = axis_names(panel)
        layout[x] = axis("presentations" if panel >= len(arms) - columns else "")
        title = "pooled out-of-fold MSE" if panel % columns == 0 else ""
        layout[y] = log_axis(title, low, high)
        if np.isfinite(mean_error):
            layout.setdefault("shapes", []).append(level(mean_error, panel))
    layout |= frame(titles, columns=columns, height=270, bottom=70)
    left = f"Live: {drawn:,} of {len(trials):,} trials, evenly by score."
    return Live(data=data, layout=layout, width=250 * columns + 60, note=left if drawn < len(trials) else "")


def _panel(
    curves: pd.DataFrame, trials: pd.DataFrame, best: int | None, arm: str, panel: int, share: int
) -> tuple[list[Trace], int]:
    done = trials["status"] == "completed"
    groups = trials[done].sort_values("score").drop(index=best, errors="ignore"), trials[~done]
    shown = evenly(groups[0], share - share // 3), evenly(groups[1], share // 3)
    traces = [
        _lines(curves, trials, [*group.index], arm, panel, dash)
        for group, dash in zip(shown, ("solid", "dot"), strict=True)
    ]
    count = sum(map(len, shown))
    if best is not None:
        traces += [_best(curves, trials, best, arm, panel)]
        count += 1
    return [trace for trace in traces if trace["x"]], count


def _lines(
    curves: pd.DataFrame, trials: pd.DataFrame, group: list[int], arm: str, panel: int, dash: str
) -> Trace:
    """One trace of many lines, apart by gaps."""
    x: list[float | None] = []
    y: list[float | None] = []
    texts: list[str] = []
    by_trial = {
        trial: rows.sort_values("presentations")
        for trial, rows in curves[curves["trial"].isin(group)].groupby("trial")
    }
    for trial in group:
        if trial not in by_trial:
            continue
        rows = by_trial[trial]
        x += [*rounded(rows["presentations"]), None]
        y += [*rounded(rows["mse"]), None]
        texts += [*_texts(rows, trials.loc[[trial]].iloc[0], f"{arm} #{trial}"), ""]
    look: Trace = {"mode": "lines", "line": {"color": colour(arm), "width": 1, "dash": dash}, "opacity": 0.45}
    look |= {"name": label(arm), "showlegend": False}
    return on(panel, look | {"x": x, "y": y, "hovertext": texts, "hoverinfo": "text"})


def _best(curves: pd.DataFrame, trials: pd.DataFrame, best: int, arm: str, panel: int) -> Trace:
    rows, trial = curves[curves["trial"] == best].sort_values("presentations"), trials.loc[[best]].iloc[0]
    nearest = (rows["presentations"] - float(trial["length"])).abs()
    sizes = [11 if near else 0 for near in nearest == nearest.min()]
    look = marker(arm, opacity=1, shape=SHAPES[verdict_of(trial["verdict"])]) | {"size": sizes}
    trace: Trace = {"mode": "lines+markers", "marker": look, "line": {"color": colour(arm), "width": 3}}
    trace |= {"name": label(arm), "showlegend": False, "hoverinfo": "text"}
    texts = _texts(rows, trial, f"{arm} #{best}, best of the arm")
    return on(
        panel, trace | {"x": rounded(rows["presentations"]), "y": rounded(rows["mse"]), "hovertext": texts}
    )


def _texts(rows: pd.DataFrame, trial: "pd.Series", title: str) -> list[str]:
    fields = short_configuration(trial["config"], trial["varied"])
    status = "" if trial["status"] == "completed" else str(trial["status"])
    return [
        hover(title, fields, f"{int(at):,} presentations: MSE {number(mse)}", status)
        for at, mse in zip(rows["presentations"], rows["mse"], strict=True)
    ]
