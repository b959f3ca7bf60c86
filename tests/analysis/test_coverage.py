"""The default method is read off a table, and what it covers is told at the study's number of scans."""

import numpy as np
import pandas as pd
import pytest

from analysis import coverage
from analysis.bootstrap import METHODS
from analysis.coverage import (
    DIFFERENCES,
    LABELS,
    TABLE,
    coverage_sentence,
    default_method,
    measured_coverage,
    rejection_sentence,
    simulated,
    with_coverage,
)
from analysis.inference import ICC_METHODS
from analysis.populations import DISTRIBUTIONS


@pytest.fixture
def table() -> pd.DataFrame:
    rates = {
        ("wide", "normal"): (0.99, 0.99),
        ("wide", "t3"): (0.98, 0.98),
        ("near", "normal"): (0.95, 0.95),
        ("near", "t3"): (0.85, 0.95),
        ("narrow", "normal"): (0.95, 0.95),
        ("narrow", "t3"): (0.6, 0.7),
    }
    rows = [
        ("icc", method, distribution, False, scans, rate)
        for (method, distribution), both in rates.items()
        for scans, rate in zip((30, 120), both, strict=True)
    ]
    return pd.DataFrame(rows, columns=["quantity", "method", "distribution", "biased", "scans", "rate"])


def test_the_default_is_the_method_closest_to_95_percent_on_average(table):
    assert default_method("icc", table=table) == "near"
    table.loc[table["method"] == "wide", "rate"] = 0.951
    assert default_method("icc", table=table) == "wide"


def test_coverage_is_interpolated_in_the_logarithm_and_constant_outside(table):
    found = measured_coverage("icc", scans=60, table=table)
    assert found == (pytest.approx(0.9), pytest.approx(0.95), "t3", 60)
    assert measured_coverage("icc", scans=5, table=table) == (0.85, 0.95, "t3", 30)
    assert measured_coverage("icc", scans=999, table=table)[:2] == (0.95, 0.95)
    assert measured_coverage("icc", scans=30, method="narrow", table=table).low == 0.6


def test_the_shipped_table_knows_every_method_and_every_distribution_has_a_name():
    assert default_method("icc") in ICC_METHODS
    assert default_method(*DIFFERENCES) in METHODS
    assert set(coverage.METHODS) == {*ICC_METHODS, "zou"}
    assert set(LABELS) == set(DISTRIBUTIONS)


@pytest.mark.parametrize("quantities", coverage.QUANTITIES)
def test_the_sentence_holds_what_the_table_says(quantities):
    rows = simulated()
    rows = rows[rows["quantity"].isin(quantities) & (rows["method"] == default_method(*quantities))]
    rows = rows[rows["scans"] == 30]
    sentence = coverage_sentence(*quantities, scans=30)
    assert f"of 30 scans they held the truth in {100 * rows['rate'].min():.0f} to" in sentence
    assert f"to {100 * rows['rate'].max():.0f} of 100 studies" in sentence
    assert "of 30 scans (the fewest simulated) they" in coverage_sentence(*quantities, scans=8)


def test_only_rows_with_an_interval_tell_its_coverage():
    rows = pd.DataFrame({"icc_low": [0.2, np.nan], "scans": [30, 30]})
    told = with_coverage(rows, "icc", scans="scans")
    assert list(told["interval_method"]) == [default_method("icc"), pytest.approx(np.nan, nan_ok=True)]
    found = measured_coverage("icc", scans=30)
    assert told.loc[0, "coverage_low"] == pytest.approx(found.low, abs=1e-4)
    assert np.isnan(told.loc[1, "coverage_high"])
    assert list(rows.columns) == ["icc_low", "scans"]
    assert with_coverage(rows[:0], "icc", scans="scans").empty


def test_what_the_tests_reject_is_told_from_the_shipped_table():
    table = pd.read_csv(TABLE)
    swaps = table[(table["kind"] == "rejection") & (table["method"] == "swap") & ~table["biased"]]
    of_icc = 100 * swaps.loc[swaps["quantity"] == "icc", "rate"]
    said = rejection_sentence()
    assert f"the swap test told exchangeable arms apart in {of_icc.min():.1f} to {of_icc.max():.1f}%" in said
    assert said.count("%") == 6
