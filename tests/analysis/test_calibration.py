"""The simulation: its populations have the ICC they claim, and its table is the one that ships."""

import numpy as np
import pandas as pd
import pytest

from analysis import calibration
from analysis.bootstrap import METHODS
from analysis.calibration import BATCH, Cell, batch, cells, main, simulate, table_of
from analysis.coverage import TABLE
from analysis.inference import ICC_METHODS
from analysis.populations import DISTRIBUTIONS, ICC, draw_study, error_variance, pearson
from study.agreement import icc, mse


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_populations_have_the_icc_error_and_correlation_they_claim(distribution, biased):
    arms, labels = draw_study(distribution, biased, 2_000_000, np.random.default_rng(0))
    # Sample variances of heavy tails converge slowly: two million scans are good for two digits.
    assert icc(arms, labels) == pytest.approx([ICC, ICC], abs=0.015)
    assert mse(arms, labels) == pytest.approx([error_variance(biased=False)] * 2, rel=0.03)
    r = np.corrcoef([labels, *arms])
    assert r[0, 1:] == pytest.approx([pearson(biased=False), pearson(biased)], abs=0.015)
    assert (np.mean(arms[1] - labels) > 0.3) == biased


def test_a_batch_is_the_same_whenever_it_runs_and_others_differ():
    cell = Cell("lognormal", True, 30)
    first, again, other = (batch(cell, number, 0, runs=8, resamples=99) for number in (3, 3, 4))
    assert first == again != other
    coverage = {(quantity, method) for kind, quantity, method in first if kind == "coverage"}
    assert coverage == {
        *(("icc", method) for method in ICC_METHODS),
        *((f"{score}_difference", method) for score in ("icc", "mse") for method in METHODS),
        ("pearson_difference", "zou"),
    }
    assert all(0 <= count <= 8 for count in first.values())


def test_intervals_mostly_hold_the_truth_of_normal_labels_and_tests_mostly_keep_a_true_null():
    counts = batch(Cell("normal", False, 60), 0, 0, runs=60, resamples=199)
    for (kind, quantity, method), count in counts.items():
        # At 95%, or 5%, beyond these limits lies less than one case in a hundred thousand.
        assert count >= 48 if kind == "coverage" else count <= 12, (kind, quantity, method)


def test_the_script_writes_the_table_and_tells_how_far_it_is(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(calibration, "cells", lambda: [Cell("t3", False, 8)])
    main(["--runs", "1", "--out", str(tmp_path / "table.csv")])
    table = pd.read_csv(tmp_path / "table.csv")
    assert set(table["runs"]) == {BATCH}
    assert table["rate"].between(0, 1).all()
    assert f"{BATCH} of {BATCH} runs, 0 min left" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["--runs", "0"])
    assert "--runs must be 1 or more, but got 0" in capsys.readouterr().err


@pytest.fixture(scope="module")
def shipped() -> pd.DataFrame:
    return pd.read_csv(TABLE)


def test_the_shipped_table_is_of_all_cells_and_at_least_ten_thousand_runs(shipped):
    counts = {cell: batch(cell, 0, 0, runs=1, resamples=19) for cell in cells()}
    expected = table_of(counts, 1, 19)
    names = ["kind", "quantity", "method", *Cell._fields]
    pd.testing.assert_frame_equal(shipped[names], expected[names])
    assert shipped["runs"].min() >= 10_000
    assert shipped["mc_error"].max() <= 0.0051


def test_the_primary_test_rejects_a_true_null_in_4_to_6_percent_everywhere(shipped):
    exchangeable = shipped[
        (shipped["kind"] == "rejection") & (shipped["method"] == "swap") & ~shipped["biased"]
    ]
    assert len(exchangeable) == 2 * len(DISTRIBUTIONS) * len(calibration.SCANS)
    assert exchangeable["rate"].between(0.04, 0.06).all()


@pytest.mark.slow
def test_fresh_runs_agree_with_the_shipped_table_within_monte_carlo_error(shipped):
    fresh = simulate(400, seed=1)
    error = np.sqrt(shipped["rate"] * (1 - shipped["rate"]) * (1 / shipped["runs"] + 1 / fresh["runs"]))
    # Where nearly all runs agree the normal error is too small: one run more or less is no difference.
    strange = (fresh["rate"] - shipped["rate"]).abs() > 4.5 * error + 1.5 / fresh["runs"]
    assert shipped[strange].empty
