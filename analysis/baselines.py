"""Arms against their baselines, and against rules anyone can fit to the development scans in a second.

`python -m analysis.baselines STUDY_DIR` prints both tables: arms against each other
(`analysis.comparison`), and every arm against the mean predictor, the threshold rule and the
histogram ridge, all fitted on development scans only. An arm that does not beat them has learned
nothing that a histogram does not tell.
"""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from analysis.comparison import compared, comparison_table, finished
from analysis.records import REFERENCE, Records, read_records
from analysis.script import run_script
from analysis.tested import averaged, standing_predictions
from analysis.words import fixed, in_order, interval, opening_note, p_value, signed

REFERENCES_FAMILY = "references"
"""Rows that ask whether an arm has learned more than a rule: every arm against every reference row."""
NOTE = (
    "Predictions are averaged over seeds first. Intervals: paired bootstrap over scans, 95%. The swap test "
    "is the primary one, with Holm's correction within each table's families. Williams' test on the ICCs is "
    "as in the paper, approximate; on Pearson correlations, with Zou's interval, it is as it was made."
)


def references_table(records: Records, cohort: str = "test") -> pd.DataFrame:
    """Every arm against every reference row, as `comparison_table`; empty before `test`."""
    standing = standing_predictions(records, cohort)
    of_rules = standing["trial"] == REFERENCE
    arms, rules = in_order(standing.loc[~of_rules, "arm"]), in_order(standing.loc[of_rules, "arm"])
    predictions = averaged(standing)
    rows = [
        compared(predictions, arm, rule, records.seed) | {"family": REFERENCES_FAMILY}
        for arm in arms
        for rule in rules
    ]
    return finished(rows, records, cohort)


def readable_comparison(table: pd.DataFrame) -> pd.DataFrame:
    """A comparison as text, a row a pair, tests in the order of their weight."""
    rows = [
        {
            "arms": f"{row['first']} − {row['second']}",
            "scans": str(row["scans"]),
            "seeds": f"{row['seeds_first']}, {row['seeds_second']}",
            "ICC difference [95%]": _difference(row, "icc", 3),
            "swap test p": p_value(row["swap_p_icc"]),
            "Holm": p_value(row["swap_p_icc_holm"]),
            "MSE difference [95%]": _difference(row, "mse", 1),
            "MSE swap p": p_value(row["swap_p_mse"]),
            "Williams t (p), ICC": f"{fixed(row['williams_t'])} ({p_value(row['williams_p'])})",
            "Pearson difference [Zou 95%]": _difference(row, "pearson", 3),
            "Williams t (p), Pearson": (
                f"{fixed(row['williams_pearson_t'])} ({p_value(row['williams_pearson_p'])})"
            ),
        }
        for _, row in table.iterrows()
    ]
    return pd.DataFrame(rows)


def _difference(row: "pd.Series[float]", which: str, decimals: int) -> str:
    limits = interval(row[f"{which}_low"], row[f"{which}_high"], decimals)
    return f"{signed(row[f'{which}_difference'], decimals)} {limits}".strip()


def printed(root: Path) -> Iterator[str]:
    """The tables as text, and what stands with them.

    Raises:
        BadInput: The study has no trials yet.
    """
    records = read_records(root)
    for title, table in (
        ("Arms against each other", comparison_table(records)),
        ("Arms against rules fitted on the development scans", references_table(records)),
    ):
        shown = "nothing to compare on test scans yet" if table.empty else _text(table)
        yield f"{title}\n{shown}\n"
    yield f"{NOTE} {opening_note(records.openings)}"


def _text(table: pd.DataFrame) -> str:
    return readable_comparison(table).to_string(index=False)


if __name__ == "__main__":
    run_script("analysis.baselines", printed)
