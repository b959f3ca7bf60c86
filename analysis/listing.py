"""The long tables of a report: trials, those that failed with reasons, and test predictions by scan."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from analysis import page
from analysis.tested import averaged
from analysis.tradeoff import unranked
from analysis.words import NOTHING, in_order, number

SHOWN = 300
"""Rows of a long table; a page with thousands opens slowly and nobody reads them."""


def trials_by_score(table: pd.DataFrame) -> str:
    """How many trials completed, and the best of them in a table that opens on a click, as HTML.

    Args:
        table: From `tradeoff_table`.
    """
    done = table["status"] == "completed"
    kept = {"rank": "rank", "arm": "arm", "trial": "trial", "configuration": "configuration"}
    numbers = {"score": "score", "icc": "ICC", "expected_set_size": "n(1 - p)", "mean_error_weight": "λ"}
    numbers |= {"distinct_sets": "distinct sets", "seconds": "seconds"}
    ranked = table.loc[done, [*kept, "verdict", *numbers]].fillna({"verdict": NOTHING})
    ranked["rank"] = ranked["rank"].map(number)
    for name in numbers:
        ranked[name] = ranked[name].map(number)
    text = f"{done.sum()} trials completed their budget"
    text += f"; {unranked(table)}: counted, not ranked." if unranked(table) else "."
    shown = ranked.head(SHOWN).rename(columns=kept | numbers)
    body = page.table(shown, "Ranked trials") + _rest(ranked, "trials by score", "trials")
    return page.paragraph(text) + page.folded("Completed trials by score", body)


def not_completed(table: pd.DataFrame) -> str:
    """Trials that were pruned, diverged or failed, with reasons, as HTML; empty where there are none.

    Args:
        table: From `tradeoff_table`.
    """
    failed = table.loc[table["status"] != "completed", ["arm", "trial", "configuration", "status", "reason"]]
    failed = failed.fillna({"reason": NOTHING})
    shown = page.table(failed.head(SHOWN), "Trials that did not complete, with reasons")
    return shown + _rest(failed, "trials that did not complete", "trials")


def predictions_by_scan(standing: pd.DataFrame) -> str:
    """Label and mean prediction of each arm, a row a scan, in a table that opens on a click, as HTML.

    Args:
        standing: arm, seed, scan, label, prediction; a row a seed and scan.
    """
    if standing.empty:
        return ""
    cases, arms = averaged(standing), in_order(standing["arm"])
    wide = cases.pivot_table(index="scan", columns="arm", values="prediction")[arms].rename_axis(columns=None)
    wide.insert(0, "label", cases.groupby("scan")["label"].first())
    shown = wide.sort_values("label", kind="stable").map(number).reset_index()
    body = page.table(shown.head(SHOWN), "Label and predictions by scan")
    return page.folded("The predictions as a table", body + _rest(shown, "scans by label", ""))


TITLES = {
    "improving": "Arms still improving",
    "strength": "Smoothed error along each face of strength",
    "cost": "Trials by cost",
    "importances": "Which parameters matter",
    "slices": "Smoothed error over set size and blanks",
    "price": "The price of searching",
    "shift": "The resampling shift",
    "detectable": "What this study could have found",
}
"""Of tables that have no shape of their own in the report, by the stem of their files; others go by it."""


def plain_tables(found: dict[str, pd.DataFrame], shaped: Collection[str]) -> str:
    """The tables that stand nowhere else, each opening on a click, as HTML.

    Args:
        found: All tables of a study.
        shaped: Names of those that the report shows in a shape of their own.
    """
    return "".join(_plain(table, name) for name, table in found.items() if name not in shaped and len(table))


def _plain(table: pd.DataFrame, name: str) -> str:
    title = TITLES.get(name, name.replace("_", " ").capitalize())
    shown = table.head(SHOWN).rename(columns=lambda column: str(column).replace("_", " "))
    body = page.table(shown.map(_cell), title) + _rest(table, "rows", name)
    return page.folded(title, body)


def _cell(value: object) -> str:
    """A value of any table in words; a dash for what is missing."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return str(value)
    if isinstance(value, float | np.floating):
        return number(float(value))
    return NOTHING if value is None or value is pd.NA else str(value)


def _rest(table: pd.DataFrame, which: str, name: str) -> str:
    """What a long table leaves out, and where it is whole."""
    if len(table) <= SHOWN:
        return ""
    where = f"findings/{name}.csv" if name else "predictions.parquet"
    return page.paragraph(
        f"Shown: the first {SHOWN} of {len(table):,} {which}. All of them: {where}.", "soft"
    )
