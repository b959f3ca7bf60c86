"""Live figure: parallel coordinates, a line a trial through its configuration to its score.

plotly has a trace of its own for this, which draws by code that it makes while it runs: the page's
policy forbids that. Lines of a scatter do, and show a trial's whole configuration when pointed at.
"""

from typing import Any

import numpy as np
import pandas as pd

from analysis.coordinates import Coordinate, coordinates
from analysis.live.frame import Live, Trace, axis, frame, label, on, plain, rounded
from analysis.live.tradeoff import thinned, trial_text
from analysis.selection import is_mae
from analysis.style import colour
from analysis.words import in_order

MOST_LINES = 250


def parallel(ranked: pd.DataFrame) -> Live:
    """The best tenth of each arm in full colour, the others faint; the legend turns arms on and off.

    Args:
        ranked: From `analysis.coordinates.ranked_trials`, at least one row.
    """
    axes = coordinates(ranked)
    shown = thinned(ranked, MOST_LINES).sort_values("score", ascending=False)
    score = "MAE" if is_mae(ranked) else "MSE"
    data: list[Trace] = []
    arms = in_order(shown["arm"])
    for leading in (False, True):
        for arm in arms:
            mine = shown[(shown["arm"] == arm) & (shown["leading"] == leading)]
            if len(mine):
                data.append(_bundle(mine, axes, arm, score, leading=leading))
    layout: dict[str, Any] = frame([""], columns=1, height=380, bottom=50)
    names = [plain(coordinate.name) for coordinate in axes]
    layout["xaxis"] = axis(tickvals=[*range(len(axes))], ticktext=names, range=[-0.1, len(axes) - 0.5])
    layout["xaxis"] |= {"gridcolor": "--faint", "side": "top", "showline": False}
    layout["yaxis"] = axis(range=[-0.05, 1.05], visible=False)
    layout["annotations"] = [
        _tick(place, height, text)
        for place, coordinate in enumerate(axes)
        for height, text in coordinate.ticks
    ]
    left = f"Live: {len(shown):,} of {len(ranked):,} trials, each arm's best and others evenly by rank."
    return Live(
        data=data,
        layout=layout,
        width=max(420, 95 * len(axes)),
        note=left if len(shown) < len(ranked) else "",
    )


def _bundle(mine: pd.DataFrame, axes: list[Coordinate], arm: str, score: str, *, leading: bool) -> Trace:
    """One trace of many lines, apart by gaps; what is shown beside a line is its trial."""
    x: list[float | None] = []
    y: list[float | None] = []
    texts: list[str] = []
    heights = np.column_stack([coordinate.places.loc[mine.index] for coordinate in axes])
    for line, (_, row) in zip(heights, mine.iterrows(), strict=True):
        x += [*range(len(axes)), None]
        y += [*rounded(line), None]
        texts += [trial_text(row, score)] * len(axes) + [""]
    pen = {"color": colour(arm), "width": 2 if leading else 1}
    look = {"mode": "lines", "line": pen, "opacity": 0.95 if leading else 0.3, "name": label(arm)}
    # Every arm has a leading trial: its legend entry stands for all of the arm's.
    look |= {"legendgroup": plain(arm), "showlegend": leading, "hoverinfo": "text", "hovertext": texts}
    return on(0, look | {"x": x, "y": y})


def _tick(place: int, height: float, text: str) -> dict[str, Any]:
    at = {"x": place, "y": height, "xanchor": "left", "xshift": 3, "text": plain(text), "showarrow": False}
    return at | {"font": {"size": 10, "color": "--ink"}, "bgcolor": "--card", "opacity": 0.85, "borderpad": 0}
