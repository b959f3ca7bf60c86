"""Pairs of arms: which, in which family, with which tests, and the same against rules."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from studies import compared_study

from analysis.baselines import printed, readable_comparison, references_table
from analysis.comparison import comparison_table, pairs_of_interest
from analysis.correlations import zou_interval
from analysis.inference import holm, paired_bootstrap, williams
from analysis.records import read_records
from analysis.tested import averaged, standing_predictions

ARMS = ["bias_penalty", "set_sum", "set_sum_dropout", "base", "dropout", "blank_only"]


def test_every_arm_meets_base_and_ablations_meet_set_sum():
    assert pairs_of_interest(ARMS) == [
        ("dropout", "base"),
        ("set_sum", "base"),
        ("set_sum_dropout", "base"),
        ("blank_only", "base"),
        ("bias_penalty", "base"),
        ("set_sum_dropout", "dropout"),
        ("blank_only", "set_sum"),
        ("bias_penalty", "set_sum"),
    ]
    assert pairs_of_interest(["blank_only", "dropout"]) == []


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory):
    noise = {"base": 9.0, "dropout": 9.0, "set_sum": 4.0, "blank_only": 4.5, "bias_penalty": 8.0}
    return read_records(compared_study(tmp_path_factory.mktemp("compared") / "study", noise))


def test_holm_adjusts_the_claims_and_the_explanations_apart(records):
    table = comparison_table(records)
    for family, size in (("arms", 4), ("explanations", 2)):
        rows = table[table["family"] == family]
        assert len(rows) == size
        np.testing.assert_allclose(rows["swap_p_icc_holm"], holm(rows["swap_p_icc"]))
    assert set(table.loc[table["family"] == "explanations", "second"]) == {"set_sum"}


def test_correlations_are_compared_by_williams_test_with_zous_interval(records):
    row = comparison_table(records).set_index(["first", "second"]).loc[("set_sum", "base")]
    means = averaged(standing_predictions(records))
    wide = means.pivot(index="scan", columns="arm", values="prediction")
    wide["label"] = means.groupby("scan")["label"].first()
    r = wide[["set_sum", "base", "label"]].corr()
    of_pair = r.loc["set_sum", "label"], r.loc["base", "label"], r.loc["set_sum", "base"]
    assert row["pearson_difference"] == pytest.approx(of_pair[0] - of_pair[1])
    assert (row["pearson_low"], row["pearson_high"]) == pytest.approx(zou_interval(*of_pair, len(wide)))
    found = row["williams_pearson_t"], row["williams_pearson_p"]
    assert found == pytest.approx(williams(*of_pair, len(wide)))


def test_scans_of_one_person_are_drawn_and_swapped_together(records):
    alone = comparison_table(records)
    assert (alone["groups"] == alone["scans"]).all()
    scans = sorted(records.predictions["scan"].unique())
    person = {scan: f"person {number // 3}" for number, scan in enumerate(scans)}
    grouped = replace(
        records, predictions=records.predictions.assign(group=records.predictions["scan"].map(person))
    )
    together = comparison_table(grouped)
    assert set(together["groups"]) == {-(-len(scans) // 3)}
    assert (together["icc_difference"] == alone["icc_difference"]).all()
    means = averaged(standing_predictions(grouped))
    wide = means.pivot(index="scan", columns="arm", values="prediction")
    first = means[means["arm"] == "base"].set_index("scan")
    again = paired_bootstrap(
        wide["blank_only"],
        wide["set_sum"],
        first["label"],
        generator=np.random.default_rng(0),
        groups=list(first["group"]),
    ).icc_interval
    row = together[(together["first"] == "blank_only") & (together["second"] == "set_sum")].iloc[0]
    assert (row["icc_low"], row["icc_high"]) == pytest.approx(again, abs=0.01)


def test_sites_are_strata_only_where_each_has_enough_persons_and_shares_none(records):
    scans = sorted(records.predictions["scan"].unique())
    number = records.predictions["scan"].map({scan: i for i, scan in enumerate(scans)})
    two_sites = records.predictions.assign(site=(number % 2).map({0: "a", 1: "b"}))
    for group, stratified in ((number, True), (number // 2, False), (number % 2 + 2 * (number // 16), False)):
        predictions = two_sites.assign(group=group.astype(str))
        assert set(comparison_table(replace(records, predictions=predictions))["stratified"]) == {stratified}


def test_every_arm_is_compared_with_every_rule_and_the_script_prints_both(records):
    table = references_table(records)
    assert len(table) == 5 * 2
    assert set(table["second"]) == {"mean predictor", "threshold rule"}
    # The mean predictor has no correlation with anything, and no test of one.
    flat = table[table["second"] == "mean predictor"]
    assert flat[["pearson_difference", "williams_pearson_p"]].isna().all(axis=None)
    assert (flat["swap_p_icc"] < 0.05).all()
    text = "\n".join(printed(records.root))
    assert "set_sum − base" in text
    assert "set_sum − threshold rule" in text
    assert "The test set has been opened" in text
    shown = readable_comparison(pd.concat([comparison_table(records), table]))
    assert not shown.isna().any(axis=None)
