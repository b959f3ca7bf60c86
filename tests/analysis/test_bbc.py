"""BBC-CV on constructed searches whose true scores are known."""

import numpy as np
import pytest

from analysis.bbc import bias_corrected

SEARCHES = 120


def corrected(errors, seed=0, resamples=200):
    return bias_corrected(errors, np.random.default_rng(seed), resamples)


def test_the_best_of_many_equal_configurations_looks_good_and_is_corrected():
    rng = np.random.default_rng(1)
    searches = rng.normal(0, 1, (SEARCHES, 60, 40)) ** 2
    winners = searches.mean(axis=2).min(axis=1)
    scores = np.array([corrected(errors, seed).score for seed, errors in enumerate(searches)])
    error = scores.std(ddof=1) / np.sqrt(SEARCHES)
    # Every configuration's true score is 1.
    assert winners.mean() < 0.65
    assert abs(scores.mean() - 1) < 4 * error
    assert error < 0.03


def test_a_configuration_that_is_far_better_needs_no_correction():
    rng = np.random.default_rng(2)
    errors = rng.normal(0, 1, (20, 200)) ** 2
    errors[7] /= 100
    found = corrected(errors)
    assert found.score == pytest.approx(errors[7].mean(), rel=0.05)
    assert found.low < found.score < found.high


def test_neither_the_order_of_configurations_nor_a_worse_one_matters():
    rng = np.random.default_rng(3)
    errors = rng.normal(0, 1, (10, 30)) ** 2
    worse = np.concatenate([errors, np.full((5, 30), 100.0)])
    assert corrected(errors).score == pytest.approx(corrected(errors[::-1]).score)
    assert corrected(errors).score == pytest.approx(corrected(worse).score)


@pytest.mark.parametrize("shape", [(0, 10), (3, 1)])
def test_nothing_to_choose_or_to_leave_out_is_no_score(shape):
    assert np.isnan(corrected(np.zeros(shape)).score)
