"""Agreement is checked against a published table, an independent implementation, and its limits."""

import numpy as np
import pandas as pd
import pingouin
import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.agreement import icc, icc_from_ratings, mae, mse

SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=float
)
FORMS = ("1", "A,1", "C,1")


@pytest.mark.parametrize(("form", "published"), [("1", 0.165742), ("A,1", 0.289764), ("C,1", 0.714841)])
def test_icc_of_the_shrout_and_fleiss_table(form, published):
    assert icc_from_ratings(SHROUT_FLEISS, form) == pytest.approx(published, abs=5e-7)


@pytest.mark.parametrize("scans", [3, 12, 40])
@pytest.mark.parametrize("raters", [2, 3])
def test_icc_equals_pingouin(scans, raters):
    rng = np.random.default_rng(scans + raters)
    ratings = rng.lognormal(size=(scans, 1)) * 5 + rng.normal(0.5, 1, (scans, raters))
    long = pd.DataFrame(ratings).rename_axis("scan").reset_index().melt("scan", var_name="rater")
    oracle = pingouin.intraclass_corr(long, targets="scan", raters="rater", ratings="value")
    ours = [icc_from_ratings(ratings, form) for form in FORMS]
    assert ours == pytest.approx(list(oracle["ICC"][:3]), abs=1e-10)


@given(seed=st.integers(0, 2**32 - 1), form=st.sampled_from(FORMS), scale=st.floats(0.1, 100))
def test_icc_is_bounded_symmetric_and_free_of_unit_and_order(seed, form, scale):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, 9))
    order = rng.permutation(9)
    value = icc(x, y, form)
    assert (-9 / 7 if form == "A,1" else -1) <= value <= 1
    assert icc(y, x, form) == pytest.approx(value)
    assert icc(scale * x + 3, scale * y + 3, form) == pytest.approx(value)
    assert icc(x[order], y[order], form) == pytest.approx(value)


@pytest.mark.parametrize("form", FORMS)
def test_leading_axes_are_independent_calls(form):
    x, y = np.random.default_rng(0).normal(size=(2, 5, 3, 8))
    one_by_one = [[icc(x[i, j], y[i, j], form) for j in range(3)] for i in range(5)]
    np.testing.assert_allclose(icc(x, y, form), one_by_one)
    np.testing.assert_allclose(icc(x, y[0, 0], form)[0, 0], one_by_one[0][0])


@pytest.mark.parametrize("form", FORMS)
def test_perfect_agreement_is_one_and_a_shift_costs_only_absolute_agreement(form):
    x = np.array([1.0, 1.0, 2.0, 5.0])
    assert icc(x, x, form) == 1
    assert (icc(x, x + 2, form) == pytest.approx(1)) == (form == "C,1")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("x", "y"),
    [([], []), ([1.0], [2.0]), ([0.1] * 3, [0.1] * 3), ([0.1] * 7, [0.3] * 7), ([1, 2, np.nan], [1, 2, 3])],
    ids=["no scan", "one scan", "same constants", "two constants", "a NaN"],
)
def test_where_nothing_can_agree_icc_is_nan(x, y, form):
    assert np.isnan(icc(np.array(x), np.array(y), form))


def test_a_constant_rater_agrees_no_better_than_chance():
    assert icc(np.full(5, 0.1), np.arange(5.0)) == pytest.approx(0, abs=1e-15)


def test_two_scans_are_enough_unless_the_raters_cancel():
    assert icc([1.0, 2.0], [1.0, 2.0]) == 1
    assert icc([1.0, 2.0], [2.0, 1.0], "C,1") == -1
    assert np.isnan(icc([1.1, 2.3], [2.3, 1.1], "A,1"))


@pytest.mark.parametrize("form", FORMS)
def test_two_raters_in_closed_form_equal_the_general_formula(form):
    x, y = np.random.default_rng(2).lognormal(size=(2, 6, 7))
    np.testing.assert_allclose(icc(x, y, form), icc_from_ratings(np.stack([x, y], -1), form), rtol=1e-12)


def test_an_unknown_form_is_refused_by_name():
    with pytest.raises(ValueError, match="'A,k'"):
        icc([1.0, 2.0], [1.0, 2.0], "A,k")


def test_errors_average_over_the_last_axis():
    x, y = np.array([[1.0, 2.0], [0.0, 0.0]]), np.array([2.0, 4.0])
    np.testing.assert_allclose(mse(x, y), [2.5, 10.0])
    np.testing.assert_allclose(mae(x, y), [1.5, 3.0])
    assert np.isnan(mse([], []))
