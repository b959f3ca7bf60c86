"""The rules of selection: who competes, who wins, and who is simplest within one standard error."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.selection import best_trial, select_trials, winner, within_one_se
from study.badinput import BadInput


def trials(**columns):
    rows = pd.DataFrame({"arm": "set_sum", "trial": range(5), "status": "completed", **columns})
    return pd.concat([rows, rows.assign(arm="base", score=0.0)], ignore_index=True)


def test_only_completed_trials_with_a_finite_score_compete_and_ties_go_to_the_lower_number():
    status = ["pruned", "completed", "completed", "completed", "failed"]
    table = trials(score=[0.1, 5.0, 3.0, 3.0, 0.2], status=status)
    assert list(select_trials(table, "set_sum", 2)["trial"]) == [2, 3]
    assert list(select_trials(table, "set_sum", 9)["trial"]) == [2, 3, 1]


def test_a_trial_with_a_smaller_budget_does_not_compete():
    table = trials(score=[1.0, 2.0, 3.0, 4.0, 5.0], **{"config.presentations": [100, 400, 400, 400, 400]})
    assert list(select_trials(table, "set_sum", 1)["trial"]) == [1]


def test_an_arm_without_a_completed_trial_is_named():
    with pytest.raises(BadInput, match="arm set_sum"):
        select_trials(trials(score=1.0, status="failed"), "set_sum", 1)
    assert best_trial(trials(score=1.0, status="failed"), pd.DataFrame({"arm": []}), "set_sum") is None


def confirmed(scores, weights=None, sizes=None, dropouts=None):
    """scores: trial -> score of each seed."""
    rows = []
    for trial, by_seed in scores.items():
        faces = {"mean_error_weight": (weights or {}).get(trial, 0.0)}
        faces |= {"expected_set_size": (sizes or {}).get(trial, 1.0)}
        faces |= {"config.dropout": (dropouts or {}).get(trial, 0.0), "config.loss": "mse"}
        rows += [{"arm": "a", "trial": trial, "seed": s, "score": v, **faces} for s, v in enumerate(by_seed)]
    return pd.DataFrame(rows)


def test_the_winner_has_the_lowest_mean_and_all_its_seeds():
    assert winner(confirmed({1: [4.0, 6.0], 2: [5.0, 4.0], 3: [1.0, np.nan], 4: [2.0]}), "a") == 2
    assert winner(confirmed({7: [4.0], 3: [4.0]}), "a") == 3
    with pytest.raises(BadInput, match="arm a"):
        winner(confirmed({1: [np.nan]}), "a")


def oof(errors):
    """errors: trial -> error of each scan, the same for two seeds."""
    rows = [
        {"stage": "confirm", "arm": "a", "trial": trial, "seed": seed, "scan": f"s{scan}", "repeat": 0}
        | {"label": 10.0, "prediction": 10.0 + error}
        for trial, by_scan in errors.items()
        for seed in range(2)
        for scan, error in enumerate(by_scan)
    ]
    return pd.DataFrame(rows)


ERRORS = {1: [1.0, 1.0, 1.0, 1.0], 2: [1.5, 0.5, 1.2, 1.0], 3: [2.0, 2.1, 1.9, 2.0]}
SCORES = {trial: [float(np.mean(np.square(e)))] * 2 for trial, e in ERRORS.items()}


def test_the_least_regularised_trial_near_the_winner_is_named():
    near = confirmed(SCORES, weights={1: 3.0, 2: 2.0, 3: 0.0})
    assert winner(near, "a") == 1
    assert within_one_se(near, oof(ERRORS), "a") == 2


@pytest.mark.parametrize(
    ("faces", "expected"),
    [
        ({"weights": {1: 2.0, 2: np.inf}}, 1),
        ({"weights": {1: 2.0, 2: 2.0}, "sizes": {1: 4.0, 2: 3.0}}, 2),
        ({"dropouts": {1: 0.3, 2: 0.1}}, 2),
        ({}, 1),
    ],
    ids=["lambda first", "then set size", "then dropout", "then the winner"],
)
def test_least_regularised_is_decided_face_by_face(faces, expected):
    assert within_one_se(confirmed(SCORES, **faces), oof(ERRORS), "a") == expected


@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_rows_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    table, errors = confirmed(SCORES, weights={1: 3.0, 2: 2.0}), oof(ERRORS)
    mixed = table.iloc[rng.permutation(len(table))], errors.iloc[rng.permutation(len(errors))]
    assert winner(mixed[0], "a") == 1
    assert within_one_se(*mixed, "a") == 2
