"""The long tables of a report: trials, those that failed with reasons, and test predictions by scan."""

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


def _rest(table: pd.DataFrame, which: str, name: str) -> str:
    """What a long table leaves out, and where it is whole."""
    if len(table) <= SHOWN:
        return ""
    where = f"findings/{name}.csv" if name else "predictions.parquet"
    return page.paragraph(
        f"Shown: the first {SHOWN} of {len(table):,} {which}. All of them: {where}.", "soft"
    )
