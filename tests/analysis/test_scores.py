"""Every score of a table, and scores of seeds as the paper's Table 1 has them."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.per_seed import per_seed_table, readable_per_seed
from analysis.records import read_records
from analysis.scores import LIMITS, SCORES, pearson, scores_of
from analysis.tested import agreement_table
from study.agreement import icc

# Few different values, so that there are ties.
values = st.lists(st.integers(-5, 5).map(float), min_size=3, max_size=12)


@given(values, st.integers(0, 1000))
def test_correlations_equal_scipys_with_ties_and_are_nan_for_constants(x, seed):
    y = np.random.default_rng(seed).integers(0, 4, len(x)).astype(float)
    found = scores_of(x, y)
    assert list(found) == [*SCORES, *LIMITS]
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert math.isnan(found["pearson"])
        assert math.isnan(found["spearman"])
    else:
        assert found["pearson"] == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-12)
        assert found["spearman"] == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    assert found["bias_low"] <= found["bias"] <= found["bias_high"]
    assert found["loa_lower"] <= found["bias"] <= found["loa_upper"]


def test_a_biased_arm_loses_agreement_not_consistency_or_correlation():
    y = np.random.default_rng(0).normal(size=50)
    x = y + 0.3 * np.random.default_rng(1).normal(size=50)
    plain, biased = scores_of(x, y), scores_of(x + 1, y)
    for name in ("icc_c1", "pearson", "spearman"):
        assert biased[name] == pytest.approx(plain[name])
    assert biased["icc"] < plain["icc"] - 0.1
    assert biased["icc_1"] < plain["icc_1"] - 0.1
    assert biased["bias"] == pytest.approx(plain["bias"] + 1)
    assert math.isnan(pearson(np.ones(1), np.ones(1)))


def test_the_agreement_table_has_every_score_of_every_seed_and_of_the_average(finished):
    records = read_records(finished)
    table = agreement_table(records)
    rows = records.predictions.query("cohort == 'test' and arm == 'base'")
    for seed, group in rows.groupby("seed"):
        row = table[(table["cohort"] == "test") & (table["arm"] == "base") & (table["seed"] == str(seed))]
        assert row["icc_c1"].item() == pytest.approx(icc(group["prediction"], group["label"], "C,1"))
        assert row["pearson"].item() == pytest.approx(np.corrcoef(group["prediction"], group["label"])[0, 1])
    mean = table[(table["arm"] == "base") & (table["seed"] == "mean")].iloc[0]
    over_seeds = rows.groupby("scan")[["prediction", "label"]].mean()
    gap = over_seeds["prediction"] - over_seeds["label"]
    assert mean["loa_upper"] == pytest.approx(gap.mean() + 1.959964 * gap.std())
    assert table.loc[table["arm"] == "mean predictor", ["pearson", "spearman"]].isna().all(axis=None)


def test_per_seed_figures_are_mean_and_sd_over_single_seeds_not_of_the_average(finished):
    agreement = agreement_table(read_records(finished))
    table = per_seed_table(agreement).set_index(["cohort", "arm"])
    singles = agreement[(agreement["cohort"] == "test") & (agreement["arm"] == "set_sum")]
    singles = singles[singles["seed"] != "mean"]["icc"]
    row = table.loc[("test", "set_sum")]
    assert (row["seeds"], row["scans"]) == (3, 40)
    assert row["icc_mean"] == pytest.approx(singles.mean())
    assert row["icc_sd"] == pytest.approx(np.std(singles, ddof=1))
    rule = table.loc[("test", "threshold rule")]
    assert rule["seeds"] == 1
    assert math.isnan(rule["icc_sd"])
    shown = readable_per_seed(table.reset_index()).set_index(["cohort", "arm"])["ICC(A,1)"]
    assert shown[("test", "set_sum")] == f"{singles.mean():.2f} ± {singles.std():.2f}"
    assert "±" not in shown[("test", "threshold rule")]
    assert per_seed_table(pd.DataFrame(columns=agreement.columns)).empty
