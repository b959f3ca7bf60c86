"""The trade-offs of a report as tables: what unfinished arms need, the price of searching, resampling."""

import pandas as pd

from analysis import page
from analysis.words import NOTHING, interval, number, signed


def trade_offs(found: dict[str, pd.DataFrame]) -> str:
    """HTML of the tables, those with rows; empty where none has any.

    Args:
        found: Tables by name, of `analysis.findings.tables`.
    """
    return _unfinished(found["improving"]) + _price(found["price"]) + _shift(found["shift"])


def _unfinished(table: pd.DataFrame) -> str:
    if table.empty:
        return ""
    shown = pd.DataFrame(
        {
            "arm": table["arm"],
            "trial": [f"#{trial}" for trial in table["trial"]],
            "budget": [f"{budget:,}" for budget in table["budget"]],
            "gain of the last quarter": [
                f"{number(gain)} ± {number(error, 2)}"
                for gain, error in zip(table["gain"], table["standard_error"], strict=True)
            ],
            "presentations": table["needed"],
        }
    )
    return page.table(shown, "Arms that were still improving when their budget ended") + page.paragraph(
        "Extrapolated from the last half of the pooled curve, as an exponential approach to a floor and as a "
        "power law, to where the last quarter of the budget would gain no more than the present standard "
        "error; both continuations are guesses, and nothing is told beyond four budgets.",
        "soft",
    )


def _price(table: pd.DataFrame) -> str:
    if table.empty:
        return ""
    shown = pd.DataFrame(
        {
            "arm": table["arm"],
            "trials": table["trials"].astype(str),
            "searched": table["searched"].map(number),
            "bias-corrected [95%]": [
                f"{number(row['bbc'])} {interval(row['bbc_low'], row['bbc_high'], 1)}"
                for _, row in table.iterrows()
            ],
            "confirmed": table["confirmed"].astype(float).map(number),
            "test": table["test"].astype(float).map(number),
        }
    )
    return page.table(shown, "The price of searching: one score, four ways")


def _shift(table: pd.DataFrame) -> str:
    if table.empty:
        return ""
    shown = pd.DataFrame(
        {
            "cohort": table["cohort"],
            "arm": table["arm"],
            "scans": table["scans"].astype(str),
            "shift in label SD": table["resampling_shift"].map(signed),
            "SD over scans": table["shift_sd"]
            .astype(float)
            .map(lambda value: NOTHING if pd.isna(value) else number(value, 2)),
        }
    )
    return page.table(shown, "Resampling shift") + page.paragraph(
        "Mean prediction on scans as they are minus over the views, in standard deviations of the labels. "
        "Far from zero, the networks must not be asked about scans that were not resampled.",
        "soft",
    )
