"""Costs and Pareto fronts."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from analysis.cost import on_front, plateau_ends

points = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=25)


@given(points)
def test_the_front_is_what_no_other_point_beats(pairs):
    score, cost = np.array(pairs, dtype=float).T
    beaten = [
        any(
            (score[j] <= score[i] and cost[j] <= cost[i]) and (score[j] < score[i] or cost[j] < cost[i])
            for j in range(len(pairs))
        )
        for i in range(len(pairs))
    ]
    assert np.array_equal(on_front(score, cost), ~np.array(beaten))


def test_what_has_no_score_or_no_cost_is_on_no_front():
    found = on_front(np.array([1.0, np.nan, 3.0]), np.array([np.nan, 1.0, 2.0]))
    assert list(found) == [False, False, True]


def test_a_plateau_is_left_when_the_error_stays_below_it():
    smoothed = {0: [100, 95, 60, 50], 1: [100, 60, 98, 70], 2: [100, 99, 98, 97], 3: [40, 30, 20, 10]}
    curves = pd.DataFrame(
        [
            {"arm": "base", "trial": trial, "presentations": 10 * (report + 1), "smoothed": value}
            for trial, values in smoothed.items()
            for report, value in enumerate(values)
        ]
    )
    left = plateau_ends(curves.sample(frac=1, random_state=0), 100.0)["base"]
    assert left[[0, 1, 3]].tolist() == [30, 40, 10]
    assert np.isnan(left[2])
    assert plateau_ends(curves, float("nan")).isna().all()
