"""Strength of regularisation: what is read, smoothed, and called flat."""

import numpy as np
import pandas as pd
import pytest

from analysis.exploration import exploration_tables
from analysis.flat import flat_region
from analysis.price import price_table
from analysis.records import read_records
from analysis.searched import read_searched
from analysis.selection import least_regularised
from analysis.shift import shift_table
from analysis.smooth import FEWEST, smooth
from analysis.trade_offs_page import trade_offs
from analysis.tradeoff import judged, smoothed_table, tradeoff_table
from analysis.words import signed
from study.record import StudyDirectory, write_frame


def test_the_errors_read_are_those_at_each_trial_s_chosen_length(study):
    records = read_records(study)
    found = read_searched(records, {"base": 1})
    oof = pd.read_parquet(StudyDirectory(study).oof)
    rows = oof[(oof["stage"] == "search") & (oof["presentations"] == 3200)]
    errors = (rows["prediction"] - rows["label"]) ** 2
    expected = errors.groupby([rows["arm"], rows["trial"]]).mean()
    done = records.trials[records.trials["status"] == "completed"].set_index(["arm", "trial"])
    assert set(found.chosen.index) == set(done.index)
    assert np.allclose(found.chosen.mean(axis=1), expected[found.chosen.index])
    assert set(found.followed.index.droplevel("presentations")) == {("base", 1)}
    assert list(found.followed.index.get_level_values("presentations")) == list(range(400, 4001, 400))


def test_a_study_without_predictions_has_tables_all_the_same(study):
    StudyDirectory(study).oof.unlink()
    found = exploration_tables(read_records(study))
    assert found["price"].empty
    assert found["improving"].empty
    assert not found["trials"]["flat"].any()
    assert len(found["cost"]) == 15


def test_older_studies_without_training_errors_and_shifts_still_read(study):
    place = StudyDirectory(study)
    trials, predictions = pd.read_parquet(place.trials), pd.read_parquet(place.predictions)
    write_frame(place.trials, trials.drop(columns=["train_mse", "train_mae", "shift"]))
    write_frame(place.predictions, predictions.drop(columns="as_is"))
    found = exploration_tables(read_records(study))
    assert found["trials"]["gap"].isna().all()
    assert set(found["strength"]["quantity"]) == {"out-of-fold"}
    assert found["shift"].empty


def test_the_gap_is_out_of_fold_minus_training_error_at_the_end_of_the_budget(finished):
    records = read_records(finished)
    table = exploration_tables(records)["trials"].set_index(["arm", "trial"])
    last = records.curves.set_index("presentations").loc[4000].set_index(["arm", "trial"])["mse"]
    trained = records.trials.set_index(["arm", "trial"])["train_mse"]
    done = table[table["status"] == "completed"]
    assert np.allclose(done["gap"], (last - trained)[done.index])
    assert table.loc[table["status"] != "completed", "gap"].isna().all()


def test_the_flat_region_is_what_the_paired_standard_error_says(finished):
    records = read_records(finished)
    chosen = read_searched(records, {}).chosen
    flat = flat_region(records.trials, chosen)
    done = records.trials[records.trials["status"] == "completed"].sort_values("score")
    best = tuple(done.iloc[0][["arm", "trial"]])
    gaps = chosen - chosen.loc[best]
    near = gaps.mean(axis=1) <= gaps.std(axis=1, ddof=1) / np.sqrt(gaps.shape[1])
    expected = {*chosen.index[near], best}
    assert set(zip(flat["arm"], flat["trial"], strict=True)) == expected
    assert flat["least"].sum() == 1
    assert flat.loc[flat["least"], "mean_error_weight"].item() == flat["mean_error_weight"].min()


def test_of_equally_regularised_trials_the_best_is_named():
    rows = pd.DataFrame(
        {"trial": [1, 2, 3], "mean_error_weight": [2.0, 0, 0], "expected_set_size": [2.0, 1, 1]}
    )
    assert least_regularised(rows, rows["trial"] == 3)["trial"] == 3


def test_mixup_is_no_strength(study):
    place = StudyDirectory(study)
    trials = pd.read_parquet(place.trials)
    trials.loc[trials["arm"] == "dropout", "config.objective"] = "mixup"
    write_frame(place.trials, trials)
    records = read_records(study)
    flat = flat_region(records.trials, read_searched(records, {}).chosen)
    drawn = judged(tradeoff_table(records.trials, records.curves, flat), records.trials)
    assert "dropout" not in set(flat["arm"])
    assert (drawn["other"] == (drawn["arm"] == "dropout")).all()
    left = (~drawn["other"] & (drawn["verdict"] != "stuck")).sum()
    assert set(smoothed_table(drawn)["trials"]) <= {left, left - 1}


@pytest.mark.parametrize(("count", "least"), [(8, 0.75), (20, 0.75), (80, 0.85)])
def test_the_band_of_a_smoothed_mean_holds_the_truth(count, least):
    """Coverage over places and 40 samples; pointwise 95% is meant, and smoothing costs some of it."""
    rng, at, inside = np.random.default_rng(0), np.linspace(0, 3, 30), []
    for _ in range(40):
        x = rng.choice([0, 0.5, 1, 1.5, 2, 3], count)
        found = smooth(x[:, None], np.sin(x) + rng.normal(0, 0.3, count), at[:, None])
        if found is not None:
            inside.append(np.mean((found.low <= np.sin(at)) & (np.sin(at) <= found.high)))
    assert np.mean(inside) > least


def test_many_points_narrow_the_band_and_few_or_equal_places_give_none():
    rng = np.random.default_rng(0)
    x = rng.choice([0.0, 1, 2, 3], 200)
    y = x + rng.normal(0, 1, 200)
    at = np.array([[1.5]])
    few, many = smooth(x[:20, None], y[:20], at), smooth(x[:, None], y, at)
    assert few is not None
    assert many is not None
    assert (many.high - many.low < few.high - few.low).all()
    assert smooth(x[: FEWEST - 1, None], y[: FEWEST - 1], at) is None
    assert smooth(np.ones((30, 1)), y[:30], at) is None


def test_searched_corrected_confirmed_and_tested_stand_side_by_side(finished):
    records = read_records(finished)
    chosen = read_searched(records, {}).chosen
    table = price_table(records, chosen).set_index("arm")
    for arm in ("base", "dropout", "set_sum"):
        row = table.loc[arm]
        scores = records.confirmed.query("arm == @arm and trial == @row.winner")["score"]
        assert row["searched"] == pytest.approx(chosen.loc[arm].mean(axis=1).min())
        assert row["confirmed"] == pytest.approx(scores.mean())
        assert row["bbc"] > row["searched"]
        assert (row["trials"], row["scans"], row["test_scans"]) == (5, 36, 40)


def test_the_resampling_shift_is_in_label_standard_deviations(finished):
    records = read_records(finished)
    table = shift_table(records).set_index(["cohort", "arm"])
    labels = records.predictions.query("cohort == 'test'").drop_duplicates("scan")["label"]
    assert table.loc[("test", "base"), "resampling_shift"] == pytest.approx(2 / labels.std(ddof=0))
    assert table.loc[("test", "base"), "shift_sd"] == pytest.approx(0, abs=1e-9)
    assert table.loc[("development", "base"), "resampling_shift"] == pytest.approx(0.1)


def test_the_report_shows_what_unfinished_arms_need_the_price_and_the_shift(finished):
    found = exploration_tables(read_records(finished))
    shown = trade_offs(found)
    assert all(needed in shown for needed in found["improving"]["needed"])
    assert shown.count("<table") == 3
    assert signed(found["shift"]["resampling_shift"].iloc[-1]) in shown
    assert trade_offs({name: table.iloc[:0] for name, table in found.items()}) == ""
