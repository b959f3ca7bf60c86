"""Sums over scans give what the scans themselves give, and nothing where that is not defined."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from analysis import moments
from analysis.moments import Terms, block_scores, drawn_counts, left_out, resampled
from analysis.resampling import draw_resamples, units_of
from study.agreement import icc, mse

FORMS = ("1", "A,1", "C,1")
seeds = st.integers(0, 2**32 - 1)


def arms_of(seed, scans, offset, spread):
    """Two arms and labels; `offset` is added to all of them, `spread` scales them."""
    rng = np.random.default_rng(seed)
    labels = rng.lognormal(size=scans)
    arms = labels + rng.normal(0.2, 0.5, (2, scans))
    return arms * spread + offset, labels * spread + offset


def terms_of(arms, labels, units=None):
    return [Terms(arm, labels, units) for arm in arms]


def directly(arms, labels, positions, form):
    """Scan by scan, of small numbers: what is taken away first is taken away exactly."""
    base = labels[0]
    values = [(icc(arm[positions] - base, labels[positions] - base, form)) for arm in arms]
    return np.array(values), mse(arms[:, positions], labels[positions])


def same(ours, expected):
    for mine, its in zip(ours, expected, strict=True):
        np.testing.assert_array_equal(np.isnan(mine), np.isnan(its))
        np.testing.assert_allclose(mine, its, rtol=1e-10, atol=1e-10)


@given(
    seed=seeds,
    form=st.sampled_from(FORMS),
    scans=st.integers(3, 30),
    offset=st.sampled_from([0.0, 1.0, -1e3, 2.0**30, 1e9]),
    spread=st.sampled_from([1.0, 1e-3, 1e6]),
)
@example(seed=0, form="A,1", scans=3, offset=0.0, spread=1.0)
def test_sums_equal_the_direct_computation(seed, form, scans, offset, spread):
    # Numbers that offset and differences leave exact: else both ways would round, each its own.
    arms, labels = (np.round(values * 2.0**10) / 2.0**10 for values in arms_of(seed, scans, 0, spread))
    arms, labels = arms + offset, labels + offset
    blocks = list(draw_resamples(scans, 40, np.random.default_rng(seed)))
    same(resampled(arms, labels, blocks, form), directly(arms, labels, np.concatenate(blocks), form))
    kept = np.array([[i for i in range(scans) if i != out] for out in range(scans)])
    same(left_out(terms_of(arms, labels), form), directly(arms, labels, kept, form))


@given(
    seed=seeds,
    form=st.sampled_from(FORMS),
    units=st.lists(st.integers(0, 6), min_size=5, max_size=30),
    offset=st.sampled_from([0.0, -1e3, 2.0**30]),
)
def test_units_of_several_scans_equal_the_direct_computation(seed, form, units, offset):
    unit_M = units_of([*units, 7, 8, 9])
    scans, count = len(units) + 3, len({*units, 7, 8, 9})
    everyone = unit_M if unit_M is not None else np.arange(scans)
    arms, labels = (np.round(values * 2.0**10) / 2.0**10 + offset for values in arms_of(seed, scans, 0, 1.0))
    terms = terms_of(arms, labels, unit_M)
    (block,) = draw_resamples(count, 20, np.random.default_rng(seed))
    found = block_scores(terms, drawn_counts(block, count), form), left_out(terms, form)
    drawn = [[scan for unit in row for scan in np.flatnonzero(everyone == unit)] for row in block]
    kept = [np.flatnonzero(everyone != unit) for unit in range(count)]
    for ours, positions in zip(found, (drawn, kept), strict=True):
        for number, place in enumerate(positions):
            expected = directly(arms, labels, np.array([place]), form)
            same([values[:, [number]] for values in ours], expected)


@given(seed=seeds, form=st.sampled_from(FORMS), far=st.sampled_from([1e3, 1e6, 1e9]))
def test_one_scan_far_from_all_others_costs_no_digits(seed, form, far):
    arms, labels = arms_of(seed, 20, 0, 1)
    arms[:, 7] += far
    labels[7] += far
    blocks = list(draw_resamples(20, 40, np.random.default_rng(seed)))
    ours = resampled(arms, labels, blocks, form), left_out(terms_of(arms, labels), form)
    kept = np.array([[i for i in range(20) if i != out] for out in range(20)])
    for values, positions in zip(ours, (np.concatenate(blocks), kept), strict=True):
        expected = [icc(arm[positions], labels[positions], form) for arm in arms]
        np.testing.assert_allclose(values[0], expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("form", FORMS)
def test_nearly_constant_numbers_agree_with_exact_fractions(form):
    labels = 7 + np.array([0, 1, 0, 2, 1, 0, 3, 1, 0, 1]) * 2.0**-40
    arm = 7 + np.array([0, 1, 1, 2, 0, 0, 3, 1, 1, 1]) * 2.0**-40
    x, y = ([Fraction(v) for v in values] for values in (arm, labels))
    expected = [exact_icc(x[:i] + x[i + 1 :], y[:i] + y[i + 1 :], form) for i in range(10)]
    np.testing.assert_allclose(left_out(terms_of(arm[None], labels), form)[0][0], expected, rtol=1e-10)


def exact_icc(x, y, form):
    m = len(x)
    grand = sum(x + y) / (2 * m)
    scans = sum(2 * ((a + b) / 2 - grand) ** 2 for a, b in zip(x, y, strict=True)) / (m - 1)
    raters = m * sum((sum(rater) / m - grand) ** 2 for rater in (x, y))
    within = sum((a - b) ** 2 / 2 for a, b in zip(x, y, strict=True))
    error = (within - raters) / (m - 1)
    if form == "1":
        return float((scans - within / m) / (scans + within / m))
    extra = 2 * (raters - error) / m if form == "A,1" else 0
    return float((scans - error) / (scans + error + extra))


@pytest.mark.parametrize("form", FORMS)
def test_constant_resamples_have_no_icc_whatever_they_hold(form):
    arms, labels = arms_of(1, 12, 0.1, 1)
    again = np.full((1, 12), 4)
    iccs, mses = resampled(arms, labels, [again], form)
    assert np.isnan(iccs).all()
    np.testing.assert_allclose(mses[:, 0], (arms[:, 4] - labels[4]) ** 2)
    flat = np.full(12, 0.3)
    flat[3] = 1.0
    values = left_out(terms_of(flat[None], flat), form)[0][0]
    assert np.isnan(values[3])
    np.testing.assert_array_equal(np.delete(values, 3), 1)


def test_what_is_not_finite_spreads_no_further_than_where_it_is_drawn():
    arms, labels = arms_of(2, 12, 0, 1)
    arms[0, 5] = np.nan
    blocks = list(draw_resamples(12, 50, np.random.default_rng(0)))
    drawn = (np.concatenate(blocks) == 5).any(axis=1)
    iccs, _ = resampled(arms, labels, blocks, "A,1")
    np.testing.assert_array_equal(np.isnan(iccs[0]), drawn)
    assert np.isfinite(iccs[1]).all()


@pytest.mark.parametrize("form", FORMS)
def test_two_arms_that_are_one_differ_by_nothing(form):
    arms, labels = arms_of(3, 101, 5.3, 1)
    arms[1] = arms[0]
    blocks = list(draw_resamples(101, 300, np.random.default_rng(0)))
    for values in (*resampled(arms, labels, blocks, form), *left_out(terms_of(arms, labels), form)):
        assert (values[0] == values[1]).all()


def test_sums_suffice_for_ordinary_scans(monkeypatch):
    arms, labels = arms_of(4, 60, 1e5, 20)
    monkeypatch.setattr(moments, "icc", lambda *_: pytest.fail("computed scan by scan"))
    resampled(arms, labels, draw_resamples(60, 500, np.random.default_rng(0)), "A,1")
    left_out(terms_of(arms, labels), "A,1")
