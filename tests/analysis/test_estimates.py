"""Weighted sums of arms are estimated together, each from what it needs."""

import numpy as np
import pytest

from analysis.estimates import estimates
from analysis.resampling import draw_resamples


def estimated(arms, labels, sums, strata=None):
    blocks = draw_resamples(len(labels), 150, np.random.default_rng(0), strata)
    return estimates(arms, labels, blocks, sums, "A,1", strata)


@pytest.fixture
def arms_and_labels():
    rng = np.random.default_rng(1)
    labels = rng.normal(size=120)
    return labels + rng.normal(0, [[0.4], [0.6]], (2, 120)), labels


@pytest.mark.parametrize("score", ["icc", "mse"])
def test_a_difference_is_the_arms_and_its_error_knows_what_they_share(arms_and_labels, score):
    first, second, gap = (
        getattr(each, score) for each in estimated(*arms_and_labels, [[1, 0], [0, 1], [1, -1]])
    )
    assert gap.value == first.value - second.value
    np.testing.assert_array_equal(gap.values, first.values - second.values)
    np.testing.assert_array_equal(gap.left_out, first.left_out - second.left_out)
    assert abs(first.error - second.error) < gap.error < first.error + second.error
    # The spread of the resamples is what the error foretells.
    assert gap.error == pytest.approx(gap.values.std(), rel=0.25)


def test_an_arm_without_weight_does_not_spoil_the_others(arms_and_labels):
    arms, labels = arms_and_labels
    expected = estimated(arms, labels, [[0, 1]])[0].icc
    arms[0, 3] = np.nan
    found = estimated(arms, labels, [[0, 1]])[0].icc
    assert found.value == expected.value
    np.testing.assert_array_equal(found.errors, expected.errors)


def test_strata_that_differ_leave_less_error_within_them(arms_and_labels):
    arms, labels = arms_and_labels
    sites = ["easy"] * 60 + ["hard"] * 60
    arms[0, 60:] += 10
    whole, within = (estimated(arms, labels, [[1, 0]], strata)[0].mse for strata in (None, sites))
    assert within.error < 0.5 * whole.error
    assert np.median(within.errors) < 0.5 * np.median(whole.errors)
