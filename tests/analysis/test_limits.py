"""Limits of agreement against the published example, and what their intervals promise."""

import numpy as np
import pytest

from analysis.limits import limits_of_agreement

LARGE = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
"""Peak expiratory flow (l/min) by two meters, first readings: Bland and Altman (1986), table 1."""


def test_the_published_limits_of_two_peak_flow_meters():
    limits = limits_of_agreement(MINI, LARGE)
    assert limits.bias == pytest.approx(2.1, abs=0.05)
    # With 1.96 standard deviations, not the two of 1986, as statistics packages print them.
    assert limits.lower == pytest.approx(-73.9, abs=0.05)
    assert limits.upper == pytest.approx(78.1, abs=0.05)
    assert (limits.upper - limits.bias) / 1.959964 == pytest.approx(38.8, abs=0.05)


def test_intervals_are_those_of_the_formula_and_change_sign_with_the_raters():
    limits = limits_of_agreement(MINI, LARGE)
    # t with 16 degrees of freedom 2.120; variance of a limit s² (1/17 + 1.96²/32) = (0.4227 s)².
    assert limits.bias_interval == pytest.approx((2.12 - 19.93, 2.12 + 19.93), abs=0.05)
    half = 2.1199 * 0.42270 * 38.765
    assert limits.upper_interval == pytest.approx((limits.upper - half, limits.upper + half), abs=0.05)
    back = limits_of_agreement(LARGE, MINI)
    assert back.lower == pytest.approx(-limits.upper)
    assert back.lower_interval == pytest.approx((-limits.upper_interval[1], -limits.upper_interval[0]))


def test_the_intervals_hold_the_true_limits_as_often_as_they_say():
    rng, held = np.random.default_rng(0), np.zeros(3)
    runs, scans = 2000, 40
    for _ in range(runs):
        found = limits_of_agreement(rng.normal(1, 2, scans), np.zeros(scans))
        truths = (1, 1 - 1.959964 * 2, 1 + 1.959964 * 2)
        intervals = (found.bias_interval, found.lower_interval, found.upper_interval)
        held += [low <= truth <= high for truth, (low, high) in zip(truths, intervals, strict=True)]
    # The approximation is known to hold a limit a little less often than 95%; Monte Carlo error 0.5 points.
    assert (held / runs > 0.925).all()
    assert (held / runs < 0.97).all()


def test_too_few_scans_have_no_limits_and_an_impossible_level_is_refused():
    one = limits_of_agreement([3.0], [1.0])
    assert one.bias == 2
    assert np.isnan([one.lower, one.upper, *one.lower_interval]).all()
    assert np.isnan(limits_of_agreement([], []).bias)
    same = limits_of_agreement([1.0, 2.0], [1.0, 2.0])
    assert (same.bias, same.lower, same.upper) == (0, 0, 0)
    with pytest.raises(ValueError, match=r"\(0, 1\), but got 95"):
        limits_of_agreement(MINI, LARGE, level=95)
