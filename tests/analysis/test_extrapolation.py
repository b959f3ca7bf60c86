"""Curves continued beyond their budget, where their true shape is known."""

import numpy as np
import pandas as pd
import pytest

from analysis.extrapolation import (
    FARTHEST,
    improving_note,
    improving_table,
    in_words,
    needed_presentations,
)
from analysis.findings import drawings, tables
from analysis.records import read_records
from analysis.summary import summary_table
from analysis.verdict import verdict_sentences

AT = np.arange(1, 11) * 400.0


def exponential(t):
    return 50 + 400 * np.exp(-t / 2000)


def power(t):
    return 20 + 400 * (t / 400) ** -0.9


def settled(curve, tolerance):
    budgets = np.linspace(4000, 16000, 12001)
    return budgets[(curve(0.75 * budgets) - curve(budgets) <= tolerance).argmax()]


@pytest.mark.parametrize("curve", [exponential, power])
@pytest.mark.parametrize("tolerance", [8.0, 12.0])
def test_the_truth_lies_between_the_two_continuations(curve, tolerance):
    low, high = needed_presentations(AT, curve(AT), tolerance)
    assert 4000 < low <= 1.05 * settled(curve, tolerance)
    assert settled(curve, tolerance) <= 1.05 * high


def test_what_lies_beyond_four_budgets_is_not_told():
    low, _ = needed_presentations(AT, 50 + 400 * np.exp(-AT / 40000), 3.0)
    assert np.isinf(low)
    assert in_words(4000, low, low) == f"not before {FARTHEST * 4000:,} presentations"


@pytest.mark.parametrize("curve", [np.full(10, 50.0), 50 + AT])
def test_a_curve_that_does_not_fall_or_is_too_short_is_not_continued(curve):
    assert np.isnan(needed_presentations(AT, curve, 1.0)).all()
    assert np.isnan(needed_presentations(AT[:3], exponential(AT[:3]), 1.0)).all()
    assert in_words(4000, np.nan, np.nan).startswith("not before 4,000")


def test_words_round_to_two_digits_and_own_up_to_what_they_do_not_know():
    assert in_words(900, 1080, 2127) == "needs about 1,100 to 2,100 presentations"
    assert in_words(900, 1080, 1090) == "needs about 1,100 presentations"
    assert in_words(900, 2627, np.inf) == "needs 2,600 presentations or far more"


def followed(rng, scans=40):
    errors = exponential(AT)[:, None] * (1 + 0.02 * rng.normal(size=(10, scans)))
    index = pd.MultiIndex.from_product(
        [["base"], [3], AT.astype(int)], names=["arm", "trial", "presentations"]
    )
    return pd.DataFrame(errors, index=index)


def test_an_arm_that_was_still_improving_gets_a_row_and_a_sentence():
    table = improving_table(followed(np.random.default_rng(0)), {"base": 3, "dropout": 1})
    assert list(table["arm"]) == ["base"]
    row = table.iloc[0]
    assert row["gain"] > row["standard_error"] > 0
    assert 4000 < row["needed_low"] <= row["needed_high"]
    assert f"base ({row['needed']})" in improving_note(table)
    assert improving_note(table.iloc[:0]) == ""


def test_what_an_improving_arm_needs_stands_in_the_end_table_and_the_verdict(finished):
    summary = summary_table(finished)
    improving = summary[summary["verdict"] == "improving"]
    assert len(improving)
    assert improving["needed"].str.contains("presentations").all()
    assert summary.loc[summary["verdict"] != "improving", "needed"].isna().all()
    records = read_records(finished)
    said = " ".join(text for text, _ in verdict_sentences(records, tables(records)))
    assert all(needed in said for needed in improving["needed"])


def test_every_figure_that_ranks_arms_says_what_the_unfinished_ones_need(finished):
    records = read_records(finished)
    found = tables(records)
    note = improving_note(found["improving"])
    assert note
    ranking = {"predictions", "bland_altman", "curves", "tradeoff", "cost", "slices", "price", "coordinates"}
    captions = {drawing.name: drawing.caption for drawing in drawings(records, found)}
    assert {name for name, caption in captions.items() if note in caption} >= ranking | {"optimism"}
    scatter = next(drawings(records, found)).figure
    # The words go beneath: in a panel's heading they would run into the next panel.
    assert "presentations" not in " ".join(axis.get_title(loc="left") for axis in scatter.axes)
