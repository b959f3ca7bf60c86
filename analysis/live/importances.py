"""Live figure: how much each searched parameter matters, with its spread over resamples, a panel an arm."""

from typing import Any

import pandas as pd

from analysis.live.frame import Live, Trace, axis, axis_names, frame, hover, label, on, plain, rounded
from analysis.words import fixed, in_order

HUES = ("#0072b2", "#e69f00", "#009e73", "#cc79a7")
PANELS = 3


def importances(table: pd.DataFrame) -> Live:
    """Importances by parameter and method.

    Args:
        table: arm, method, parameter, importance, low, high (limits over resamples); at least one row.
    """
    arms, methods = in_order(table["arm"]), sorted(table["method"].unique())
    columns = min(PANELS, len(arms))
    layout: dict[str, Any] = frame(
        [f"<b>{label(arm)}</b>" for arm in arms], columns=columns, height=250, bottom=80
    )
    layout |= {"barmode": "group"}
    data: list[Trace] = []
    for panel, arm in enumerate(arms):
        x, y = axis_names(panel)
        layout[x] = axis("importance" if panel >= len(arms) - columns else "", range=[0, 1])
        layout[y] = axis(type="category", autorange="reversed")
        for method, hue in zip(methods, HUES, strict=False):
            mine = table[(table["arm"] == arm) & (table["method"] == method)]
            data.append(_bars(mine, str(method), hue, panel))
    return Live(data=data, layout=layout, width=260 * columns + 60)


def _bars(mine: pd.DataFrame, method: str, hue: str, panel: int) -> Trace:
    value = mine["importance"]
    spread = {"type": "data", "symmetric": False, "color": "--soft", "thickness": 1, "width": 3}
    spread |= {
        "array": rounded((mine["high"] - value).clip(lower=0)),
        "arrayminus": rounded((value - mine["low"]).clip(lower=0)),
    }
    texts = [
        hover(
            row["parameter"],
            f"{method}: {fixed(row['importance'])} ({fixed(row['low'])} to {fixed(row['high'])})",
        )
        for _, row in mine.iterrows()
    ]
    bars: Trace = {
        "type": "bar",
        "orientation": "h",
        "marker": {"color": hue},
        "error_x": spread,
        "name": plain(method),
    }
    bars |= {"legendgroup": plain(method), "showlegend": panel == 0, "hovertext": texts, "hoverinfo": "text"}
    return on(panel, bars | {"x": rounded(value), "y": [plain(name) for name in mine["parameter"]]})
