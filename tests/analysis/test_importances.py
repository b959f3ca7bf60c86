"""Importances of parameters whose part in the score is known."""

import json
import logging

import numpy as np
import pandas as pd
import pytest

from analysis import importances
from analysis.importances import FEWEST, importances_figure, importances_table, too_few


def trials(count, seed=0, arm="set_sum"):
    """The score depends on n alone; p, the rate and replacement do nothing."""
    rng = np.random.default_rng(seed)
    n, p = rng.choice([2, 3, 4, 6, 8], count), rng.uniform(0, 0.5, count)
    return pd.DataFrame(
        {
            "arm": arm,
            "trial": np.arange(count),
            "status": "completed",
            "score": 10.0 * n + rng.normal(0, 1, count),
            "varied": json.dumps(["n", "p", "learning_rate", "replacement"]),
            "config.presentations": 4000,
            "config.n": n,
            "config.p": p,
            "config.learning_rate": np.exp(rng.uniform(-8, -5, count)),
            "config.replacement": rng.integers(0, 2, count).astype(bool),
        }
    )


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(importances, "RESAMPLES", 4)


def test_both_methods_find_the_parameter_that_matters():
    table = importances_table(trials(40), seed=0)
    assert set(table["method"]) == {"PED-ANOVA", "fANOVA"}
    for _, rows in table.groupby("method"):
        assert rows["importance"].sum() == pytest.approx(1)
        assert rows.iloc[0]["parameter"] == "n"
        assert rows.iloc[0]["importance"] > 0.5
        assert (rows["low"] <= rows["high"]).all()
    assert importances_figure(table).axes


def test_the_same_seed_gives_the_same_table_and_the_log_level_stays():
    before = logging.getLogger("optuna").level
    once, again = (importances_table(trials(24), seed=5) for _ in range(2))
    pd.testing.assert_frame_equal(once, again)
    assert logging.getLogger("optuna").level == before


def test_too_few_trials_give_a_reason_and_no_rows():
    few = trials(FEWEST - 1)
    assert importances_table(few, seed=0).empty
    assert (
        too_few(few) == f" Fewer than {FEWEST} completed trials, so no importances: set_sum ({FEWEST - 1})."
    )
    assert too_few(trials(FEWEST)) == ""


def test_trials_below_full_budget_or_not_completed_do_not_count():
    rows = trials(30)
    rows.loc[:6, "status"] = "pruned"
    rows.loc[7:10, "config.presentations"] = 400
    assert importances_table(rows, seed=0).empty


def test_equal_scores_and_a_single_parameter_have_no_importance():
    assert importances_table(trials(30).assign(score=1.0), seed=0).empty
    assert importances_table(trials(30).assign(varied='["n"]'), seed=0).empty
