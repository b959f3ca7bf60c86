"""Live figure: what the search promised against what fresh seeds and folds confirmed."""

import pandas as pd

from analysis.live.frame import (
    SHAPES,
    Live,
    Trace,
    axis,
    frame,
    hover,
    label,
    marker,
    on,
    rounded,
    ruled,
)
from analysis.style import verdict_of
from analysis.words import in_order, number


def optimism(table: pd.DataFrame, score: str) -> Live:
    """Confirmed mean and SD over seeds against the searched score.

    Args:
        table: From `optimism_table`.
        score: MSE or MAE.
    """
    ends = [float(table["searched"].min()), float(table["searched"].max())]
    data = [ruled(ends, ends, 0, "confirmed as searched", legend=True)]
    for arm in in_order(table["arm"]):
        mine = table[table["arm"] == arm]
        look = marker(arm, size=10)
        look["symbol"] = [SHAPES[verdict_of(verdict)] for verdict in mine["verdict"]]
        look["line"] = {"color": "--ink", "width": [2 if winner else 0 for winner in mine["winner"]]}
        spread: Trace = {"type": "data", "array": rounded(mine["confirmed_sd"]), "width": 0, "thickness": 1.2}
        texts = [
            hover(
                f"{row['arm']} #{row['trial']}" + (", winner of its arm" if row["winner"] else ""),
                str(row["configuration"]),
                f"searched {number(row['searched'])}",
                f"confirmed {number(row['confirmed'])} ± {number(row['confirmed_sd'], 2)}",
                f"{row['seeds']} seeds",
            )
            for _, row in mine.iterrows()
        ]
        trace: Trace = {"x": rounded(mine["searched"]), "y": rounded(mine["confirmed"]), "mode": "markers"}
        trace |= {"name": label(arm), "marker": look, "error_y": spread | {"color": look["color"]}}
        data.append(on(0, trace | {"hovertext": texts, "hoverinfo": "text"}))
    layout = frame([""], columns=1, height=400, bottom=84)
    layout["xaxis"] = axis(f"searched {score} (pooled out-of-fold)")
    layout["yaxis"] = axis(f"confirmed {score} (mean ± SD over seeds)")
    return Live(data=data, layout=layout, width=420)
