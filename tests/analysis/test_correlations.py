"""Zou's interval against his published example, and what must hold for any correlations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.correlations import zou_interval


def test_the_published_example():
    assert zou_interval(0.396, 0.179, 0.088, 66) == pytest.approx((-0.093, 0.517), abs=5e-4)


@given(seed=st.integers(0, 2**32 - 1), scans=st.integers(5, 200), level=st.floats(0.5, 0.99))
def test_it_holds_the_difference_and_changes_sign_with_the_arms(seed, scans, level):
    labels, x, y = np.random.default_rng(seed).normal(size=(3, scans)) + np.arange(scans) / scans
    r = np.corrcoef([labels, x, y])
    there = zou_interval(r[0, 1], r[0, 2], r[1, 2], scans, level)
    back = zou_interval(r[0, 2], r[0, 1], r[1, 2], scans, level)
    assert -2 <= there.low <= r[0, 1] - r[0, 2] <= there.high <= 2
    assert there == pytest.approx((-back.high, -back.low), abs=1e-9)


def test_it_covers_the_difference_of_normal_scores_as_often_as_it_says():
    rng = np.random.default_rng(0)
    truth = np.array([[1, 0.8, 0.6], [0.8, 1, 0.5], [0.6, 0.5, 1]])
    held, runs = 0, 2000
    for scores in rng.multivariate_normal(np.zeros(3), truth, (runs, 40)):
        r = np.corrcoef(scores.T)
        low, high = zou_interval(r[0, 1], r[0, 2], r[1, 2], 40)
        held += low <= 0.2 <= high
    # A standard deviation of 2,000 runs at 95% is half a point.
    assert held / runs == pytest.approx(0.95, abs=0.02)


def test_nan_without_degrees_of_freedom_or_for_impossible_correlations():
    for values in ((0.3, 0.4, 0.5, 3), (0.9, -0.9, 0.9, 50), (float("nan"), 0.4, 0.5, 50), (1, 0.5, 0.5, 50)):
        assert np.isnan(zou_interval(*values)).all()


def test_an_impossible_level_is_refused():
    with pytest.raises(ValueError, match=r"\(0, 1\), but got 95"):
        zou_interval(0.3, 0.4, 0.5, 50, level=95)
