"""Tables and figures of a synthetic study, whichever stage it has reached."""

import subprocess
import sys
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from studies import TEST_SCANS, write_study

from analysis.comparison import comparison_table, pairs_of_interest
from analysis.coverage import DIFFERENCES, coverage_sentence, default_method, measured_coverage
from analysis.findings import drawings, tables, write_findings
from analysis.inference import williams
from analysis.optimism import optimism_figure, optimism_table
from analysis.records import read_records
from analysis.style import saved
from analysis.summary import readable, summary_table
from analysis.tested import agreement_table, averaged, stale_arms, standing_predictions
from analysis.words import number, opening_note, short_configuration
from study.agreement import icc, mse
from study.badinput import BadInput
from study.pipeline.ending import print_ending
from study.record import StudyDirectory, write_frame


def test_the_end_table_says_what_the_records_say(finished: Path):
    table = summary_table(finished).set_index("arm")
    records = read_records(finished)
    assert list(table.index) == ["base", "dropout", "set_sum", "mean predictor", "threshold rule"]
    for arm in ("base", "dropout", "set_sum"):
        row = table.loc[arm]
        scores = records.confirmed.query("arm == @arm and trial == @row.trial")["score"]
        searched = records.trials.query("arm == @arm and trial == @row.trial")["score"].item()
        tested = records.predictions.query("cohort == 'test' and arm == @arm")
        mean = tested.groupby("scan")[["prediction", "label"]].mean()
        assert row["confirmed_score"] == pytest.approx(scores.mean())
        assert row["confirmed_sd"] == pytest.approx(scores.std())
        assert row["optimism"] == pytest.approx(searched - scores.mean())
        assert row["test_mse"] == pytest.approx(mse(mean["prediction"], mean["label"]))
        assert row["test_icc"] == pytest.approx(icc(mean["prediction"], mean["label"]))
        assert row["icc_low"] < row["test_icc"] < row["icc_high"]
        assert row["seeds"] == 3
    assert table.loc["mean predictor", "test_icc"] == pytest.approx(0, abs=1e-12)
    assert np.isnan(table.loc["mean predictor", "icc_low"])
    assert set(table["test_openings"]) == {2}


def test_the_verdict_tells_of_stuck_seeds_and_missing_values_are_dashes(finished: Path):
    shown = readable(summary_table(finished)).set_index("arm")
    assert shown.loc["set_sum", "verdict"].endswith("1 of 3 seeds stuck")
    assert shown.loc["mean predictor", "verdict"] == "–"
    assert shown.loc["mean predictor", "seeds"] == "–"


@pytest.mark.parametrize("stage", ["search", "confirm"])
def test_a_study_that_has_not_been_tested_has_what_there_is(tmp_path: Path, stage: str):
    table = summary_table(write_study(tmp_path, stage))
    assert list(table["arm"]) == ["base", "dropout", "set_sum"]
    assert table["validation_score"].notna().all()
    assert table["confirmed_score"].notna().all() == (stage == "confirm")
    assert table["test_icc"].isna().all()
    names = {path.name for path in write_findings(tmp_path)}
    assert {"summary.csv", "trials.csv", "curves.svg", "tradeoff.png"} <= names
    assert ("optimism.svg" in names) == (stage == "confirm")
    assert not any(name.startswith(("predictions", "comparison")) for name in names)


def test_an_arm_whose_every_trial_failed_keeps_its_row(study: Path):
    place = StudyDirectory(study)
    trials = pd.read_parquet(place.trials)
    lost = trials[trials["arm"] == "base"].assign(arm="mixup", status="failed", score=np.nan)
    write_frame(place.trials, pd.concat([trials, lost]))
    table = summary_table(study).set_index("arm")
    assert table.loc["mixup", "verdict"] == "no completed trial"
    records = read_records(study)
    assert any(drawing.name == "curves" for drawing in drawings(records, tables(records)))


def test_a_directory_without_trials_is_refused(tmp_path: Path):
    with pytest.raises(BadInput, match=r"trials\.parquet"):
        summary_table(tmp_path)


def test_every_table_is_csv_and_every_figure_svg_and_png(finished: Path):
    written = write_findings(finished)
    assert all(path.stat().st_size > 0 for path in written)
    figures = {path.stem for path in written if path.suffix == ".svg"}
    of_cohorts = {f"{name}{of}" for name in ("predictions", "bland_altman") for of in ("", "_valdo-2021")}
    worst = {"worst_base", "worst_dropout", "worst_set-sum"}
    of_search = {"curves", "tradeoff", "cost", "slices", "price", "optimism", "coordinates"}
    assert figures == of_cohorts | worst | of_search
    assert figures == {path.stem for path in written if path.suffix == ".png"}
    for name in ("summary", "comparison", "agreement"):
        table = pd.read_csv(finished / "findings" / f"{name}.csv")
        openings = table.get("test_openings", table.get("openings"))
        assert set(openings) <= {1, 2}
    captions = (finished / "findings" / "captions.md").read_text()
    assert all(f"## {figure}: " in captions for figure in figures)


def test_the_same_records_give_the_same_bytes(finished: Path):
    records = read_records(finished)
    figures = [optimism_figure(optimism_table(records), records.confirmed) for _ in range(2)]
    images = [saved(figure, kind) for figure in figures for kind in ("svg", "png")]
    assert images[:2] == images[2:]


def test_neither_the_order_of_rows_nor_other_arms_change_a_figure(study: Path):
    place, rng = StudyDirectory(study), np.random.default_rng(3)
    before = summary_table(study), comparison_table(read_records(study)), agreement_table(read_records(study))
    for path in (place.trials, place.oof, place.confirmed, place.predictions, place.curves):
        frame = pd.read_parquet(path)
        write_frame(path, frame.iloc[rng.permutation(len(frame))])
    after = summary_table(study), comparison_table(read_records(study)), agreement_table(read_records(study))
    for one, other in zip(before, after, strict=True):
        pd.testing.assert_frame_equal(one, other)
    predictions = pd.read_parquet(place.predictions)
    write_frame(place.predictions, predictions[predictions["arm"] != "dropout"])
    alone = comparison_table(read_records(study)).drop(columns="swap_p_icc_holm")
    paired = before[1][before[1]["first"] == "set_sum"].reset_index(drop=True).drop(columns="swap_p_icc_holm")
    pd.testing.assert_frame_equal(alone, paired)


def test_arms_are_compared_on_predictions_averaged_over_seeds(finished: Path):
    records = read_records(finished)
    row = comparison_table(records).set_index("first").loc["set_sum"]
    wide = averaged(standing_predictions(records)).pivot(index="scan", columns="arm", values="prediction")
    labels = averaged(standing_predictions(records)).groupby("scan")["label"].first()
    ours, base = icc(wide["set_sum"], labels), icc(wide["base"], labels)
    assert row["scans"] == len(wide)
    assert row["stratified"]
    assert row["icc_difference"] == pytest.approx(ours - base)
    t, p = williams(float(ours), float(base), float(icc(wide["set_sum"], wide["base"])), len(wide))
    assert (row["williams_t"], row["williams_p"]) == pytest.approx((t, p))


def test_set_sum_dropout_is_compared_with_dropout_too():
    pairs = pairs_of_interest(["set_sum_dropout", "set_sum", "base", "dropout"])
    assert ("set_sum_dropout", "dropout") in pairs
    assert {first for first, second in pairs if second == "base"} == {"dropout", "set_sum", "set_sum_dropout"}
    assert pairs_of_interest(["set_sum"]) == []


def test_figures_of_a_configuration_that_no_longer_stands_are_not_shown(study: Path):
    place = StudyDirectory(study)
    predictions = pd.read_parquet(place.predictions)
    predictions.loc[predictions["arm"] == "set_sum", "trial"] = 4
    write_frame(place.predictions, predictions)
    assert stale_arms(read_records(study)) == ["set_sum"]
    table = summary_table(study).set_index("arm")
    assert np.isnan(table.loc["set_sum", "test_icc"])
    assert table.loc["base", "test_icc"] > 0


def test_numbers_configurations_and_openings_in_words():
    config = {"n": 4, "p": 0.1, "learning_rate": 1e-3, "replacement": True, "optimiser": "adam"}
    varied = ["n", "p", "learning_rate", "replacement", "optimiser"]
    assert short_configuration(config, varied) == "n=4 p=0.1 lr=1e-3 replacement adam"
    assert short_configuration(config, []) == "defaults"
    values = (0.0, 123.4, 12_345.0, 1.23e-5, float("inf"), float("nan"), None)
    assert [number(value) for value in values] == ["0", "123", "12,345", "1.23e-5", "∞", "–", "–"]
    assert opening_note([]) == "The test set has not been opened."
    log = [{"time": "2026-01-05T10:30:00", "cohort": "test"}, {"time": "2026-01-06T11:00:00", "cohort": "B"}]
    assert opening_note(log) == "The test set has been opened once: 2026-01-05 10:30."
    assert "cohort B has been opened once" in opening_note(log, "B")


def test_the_report_loads_neither_torch_nor_ray():
    code = "import sys, analysis.report; print({'torch', 'ray', 'optuna'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


def test_intervals_stand_beside_their_method_and_what_it_covers(finished: Path):
    found = tables(read_records(finished))
    for name, quantities in (("summary", ("icc",)), ("agreement", ("icc",)), ("comparison", DIFFERENCES)):
        rows = found[name][found[name]["icc_low"].notna()]
        assert not rows.empty
        expected = measured_coverage(*quantities, scans=TEST_SCANS)
        own = rows if "cohort" not in rows else rows[rows["cohort"] == "test"]
        assert own["coverage_low"].to_numpy() == pytest.approx(expected.low, abs=1e-4)
        assert own["coverage_high"].to_numpy() == pytest.approx(expected.high, abs=1e-4)
        assert set(rows["interval_method"]) == {default_method(*quantities)}
    captions = {drawing.name: drawing.caption for drawing in drawings(read_records(finished), found)}
    assert coverage_sentence("icc", scans=TEST_SCANS) in captions["predictions"]


@pytest.mark.parametrize("stage", ["search", "test"])
def test_the_end_of_a_study_tells_what_its_intervals_cover(tmp_path: Path, stage: str):
    study = write_study(tmp_path, stage)
    console = Console(width=200, file=StringIO())
    print_ending(StudyDirectory(study), console)
    sentence = coverage_sentence("icc", scans=TEST_SCANS)
    assert (sentence in console.file.getvalue()) == (stage == "test")
