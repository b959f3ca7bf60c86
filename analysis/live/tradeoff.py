"""Live figure: error of every trial against the three faces of regularisation strength."""

import math
from typing import Any

import numpy as np
import pandas as pd

from analysis.live.frame import (
    MOST_POINTS,
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
    plain,
    rounded,
)
from analysis.selection import is_mae
from analysis.style import verdict_of
from analysis.tradeoff import FACES
from analysis.words import in_order, number, short_configuration


def tradeoff(trials: pd.DataFrame, smoothed: pd.DataFrame, mean_error: float) -> Live:
    """Score of the completed trials against each face; colour is the arm, shape the verdict.

    Args:
        trials: Rows of trials.parquet.
        smoothed: face, quantity, x, mean, low, high: estimates along a face; may have no rows.
        mean_error: Score of predicting the mean; NaN draws no line.
    """
    done = trials[(trials["status"] == "completed") & np.isfinite(trials["score"].astype(float))]
    shown = thinned(done)
    score = "MAE" if is_mae(done) else "MSE"
    texts = [trial_text(row, score) for _, row in shown.iterrows()]
    shown = shown.assign(text=texts, shape=[SHAPES[verdict_of(verdict)] for verdict in shown["verdict"]])
    layout = frame(["", "", ""], columns=3, height=360, bottom=84)
    errors = [
        *smoothed["low"].astype(float),
        *smoothed["high"].astype(float),
        *done["score"].astype(float),
        *([mean_error] if np.isfinite(mean_error) else []),
    ]
    low, high = min(errors) / 1.15, max(errors) * 1.15
    data: list[Trace] = []
    for panel, (face, title) in enumerate(FACES.items()):
        x, y = axis_names(panel)
        values, layout[x] = _across(done[face].astype(float), title, face)
        layout[y] = log_axis(f"pooled out-of-fold {score}" if panel == 0 else "", low, high)
        layout[y] |= {"showticklabels": panel == 0} | ({"matches": "y"} if panel else {})
        data += [_points(shown[shown["arm"] == arm], values, arm, panel) for arm in in_order(shown["arm"])]
        lines = smoothed[smoothed["face"] == face]
        data += [
            trace
            for name, line in lines.groupby("quantity")
            for trace in _smooth(line, str(name), face, panel)
        ]
        if np.isfinite(mean_error):
            layout.setdefault("shapes", []).append(level(mean_error, panel))
    left = f"Live: {len(shown):,} of {len(done):,} trials, each arm's best and others evenly by rank."
    return Live(data=data, layout=layout, width=760, note=left if len(shown) < len(done) else "")


def thinned(done: pd.DataFrame, most: int = MOST_POINTS) -> pd.DataFrame:
    """Completed trials that a browser can move: each arm's best few all, the others evenly by rank."""
    if len(done) <= most:
        return done
    share = most // done["arm"].nunique()
    parts = []
    for _, mine in done.sort_values(["score", "trial"], kind="stable").groupby("arm", sort=False):
        parts += [mine.head(share // 3), evenly(mine.iloc[share // 3 :], share - share // 3)]
    return pd.concat(parts)


def trial_text(row: "pd.Series", score: str) -> str:
    """What is shown beside a trial."""
    return hover(
        f"{row['arm']} #{row['trial']}",
        short_configuration(row["config"], row["varied"]),
        f"{score} {number(row['score'])}, ICC {number(row['icc'])}, {verdict_of(row['verdict'])}",
    )


def _points(mine: pd.DataFrame, values: "pd.Series[float]", arm: str, panel: int) -> Trace:
    look = marker(arm, size=8 if len(mine) < 100 else 5, opacity=0.85 if len(mine) < 100 else 0.6)
    look["symbol"] = [*mine["shape"]]
    trace = {
        "mode": "markers",
        "name": label(arm),
        "legendgroup": plain(arm),
        "showlegend": panel == 0,
        "marker": look,
        "x": rounded(values.loc[mine.index]),
        "y": rounded(mine["score"]),
        "hovertext": [*mine["text"]],
        "hoverinfo": "text",
    }
    return on(panel, trace)


def _smooth(line: pd.DataFrame, quantity: str, face: str, panel: int) -> list[Trace]:
    """A smoothed error and its 95% limits as a band."""
    places = line["x"].astype(float)
    if face == "mean_error_weight":
        places = places.map(lambda weight: math.log10(1 + weight))
    look: Trace = {"mode": "lines", "hoverinfo": "skip", "x": rounded(places), "legendgroup": quantity}
    band = look | {"line": {"width": 0, "color": "--soft"}, "showlegend": False}
    dash = {"out-of-fold": "solid"}.get(quantity, "dash")
    pen = {"color": "--ink", "width": 2, "dash": dash}
    return [
        on(panel, band | {"y": rounded(line["low"])}),
        on(
            panel,
            band | {"y": rounded(line["high"]), "fill": "tonexty", "fillcolor": "rgba(128,128,128,0.16)"},
        ),
        on(
            panel,
            look
            | {
                "y": rounded(line["mean"]),
                "line": pen,
                "name": f"{quantity}, smoothed",
                "showlegend": panel == 0,
            },
        ),
    ]


def _across(values: "pd.Series[float]", title: str, face: str) -> tuple["pd.Series[float]", dict[str, Any]]:
    """Positions, and the axis with ticks in the face's own numbers."""
    if face == "mean_error_weight":
        beyond = 5 * max([2.0, *values[np.isfinite(values)]])
        infinite = bool(np.isinf(values).any())
        ticks = [tick for tick in (0, 1, 3, 10, 30, 100, 300, 1000) if tick < beyond / 3]
        places = np.log10(1 + np.array([*ticks, beyond] if infinite else ticks, float))
        texts = [f"{tick}" for tick in ticks] + (["∞"] if infinite else [])
        moved = values.replace(np.inf, beyond).map(lambda weight: math.log10(1 + weight))
        return moved, axis(title, tickvals=rounded(places), ticktext=texts)
    if face == "expected_set_size":
        sizes = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]
        return values, axis(title, type="log", tickvals=sizes, ticktext=[f"{size:g}" for size in sizes])
    return values, axis(title, type="log", exponentformat="power", dtick=1 if values.max() < 1e6 else 3)
