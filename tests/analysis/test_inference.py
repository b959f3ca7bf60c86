"""Intervals and tests against published values, and what must hold for any data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.bootstrap import METHODS, Estimate, bca_interval, jackknife_interval
from analysis.inference import (
    ICC_METHODS,
    holm,
    icc_interval,
    icc_interval_from_ratings,
    mse_interval,
    paired_bootstrap,
    swap_permutation,
    williams,
)
from study.agreement import icc, mse

SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=float
)


def drawn(seed=0, scans=40, noise=0.5):
    rng = np.random.default_rng(seed)
    labels = rng.normal(size=scans)
    return labels + noise * rng.normal(size=(2, scans)), labels


@pytest.mark.parametrize(
    ("form", "published"),
    [("1", (-0.132932, 0.722560)), ("A,1", (0.018787, 0.761084)), ("C,1", (0.342465, 0.945858))],
)
def test_f_intervals_of_the_shrout_and_fleiss_table(form, published):
    assert icc_interval_from_ratings(SHROUT_FLEISS, form) == pytest.approx(published, abs=1e-6)


@pytest.mark.parametrize(
    ("r12", "r13", "r23", "n", "t", "p"),
    [(0.3, 0.4, 0.5, 100, -1.0767, 0.2843), (0.4, 0.5, 0.1, 103, -0.8913, 0.3749)],
    ids=["Silver, Hittner and May 2006", "Steiger 1980"],
)
def test_williams_published_values(r12, r13, r23, n, t, p):
    assert williams(r12, r13, r23, n) == pytest.approx((t, p), abs=5e-5)


def test_williams_is_nan_without_degrees_of_freedom_or_for_impossible_correlations():
    assert np.isnan(williams(0.3, 0.4, 0.5, 3)).all()
    assert np.isnan(williams(0.9, -0.9, 0.9, 50)).all()
    assert np.isnan(williams(float("nan"), 0.4, 0.5, 50)).all()


@pytest.mark.parametrize("form", ["1", "A,1", "C,1"])
@pytest.mark.parametrize("method", ICC_METHODS)
def test_intervals_hold_the_estimate_and_widen_with_the_level(form, method):
    (x, _), y = drawn()
    limits = [
        icc_interval(x, y, form, level, method, generator=np.random.default_rng(1), resamples=999)
        for level in (0.5, 0.95)
    ]
    (inner_low, inner_high), (low, high) = limits
    assert -1 <= low < inner_low < icc(x, y, form) < inner_high < high <= 1


def test_bca_equals_scipy():
    (x, _), y = drawn(3)
    ours = icc_interval(x, y, method="bca", generator=np.random.default_rng(5), resamples=20_000)
    statistic = lambda a, b, axis=-1: icc(a, b)  # noqa: E731
    theirs = stats.bootstrap((x, y), statistic, paired=True, n_resamples=20_000, rng=6)
    assert ours == pytest.approx(tuple(theirs.confidence_interval), abs=0.01)


@pytest.mark.parametrize("score", ["icc", "mse"])
def test_bca_of_a_difference_equals_scipy(score):
    (x, y), labels = drawn(4)
    y = labels + 2 * (y - labels)
    ours = paired_bootstrap(x, y, labels, generator=np.random.default_rng(5), method="bca", resamples=20_000)
    of = {"icc": icc, "mse": mse}[score]
    statistic = lambda a, b, c, axis=-1: of(a, c) - of(b, c)  # noqa: E731
    theirs = stats.bootstrap((x, y, labels), statistic, paired=True, n_resamples=20_000, rng=6)
    width = np.diff(theirs.confidence_interval)[0]
    limits = getattr(ours, f"{score}_interval")
    assert limits == pytest.approx(tuple(theirs.confidence_interval), abs=0.03 * width)
    assert getattr(ours, score) == statistic(x, y, labels)


def test_bca_of_a_difference_changes_sign_with_the_arms_and_knows_strata():
    (x, y), labels = drawn(6)
    sites = ["one", "other"] * 20
    there, back = (
        paired_bootstrap(*pair, labels, generator=np.random.default_rng(1), method="bca", strata=sites)
        for pair in ((x, y), (y, x))
    )
    for interval, other in ((there.icc_interval, back.icc_interval), (there.mse_interval, back.mse_interval)):
        assert interval.low < interval.high
        # Quantiles are interpolated, alike from either end.
        assert interval == pytest.approx((-other.high, -other.low), rel=1e-6)


def test_the_sample_itself_drawn_in_another_order_is_a_tie_whatever_the_rounding():
    above, below, same = np.full(30, 1.0), np.full(10, -1.0), np.full(60, 0.1)
    left_out = np.array([0.0, 0.1, 0.2])
    exact, rounded = (
        bca_interval(Estimate(0.1, 1, left_out, values, np.ones(100)), 0.5)
        for values in (np.concatenate([above, below, same + error]) for error in (0, 1e-15))
    )
    assert exact == pytest.approx(rounded, abs=1e-12)


def by_the_book(statistic, counts):
    """A statistic of weighted scans and its error, from its slope by every scan's weight."""
    scans, step = len(counts), 1e-6
    value = statistic(counts)
    slopes = [(statistic(counts * (1 - step) + step * scans * unit) - value) / step for unit in np.eye(scans)]
    return value, np.sqrt(counts @ np.square(slopes) / scans / (scans - 1))


@pytest.mark.parametrize("method", ["studentised", "symmetric"])
def test_studentised_intervals_are_those_of_resampling_by_the_book(method):
    (x, _), y = drawn(2, scans=25)

    def statistic(counts):
        between, within = (np.cov(each, aweights=counts, ddof=0) for each in ((x + y) / 2, (x - y) / 2))
        return float((between - within) / (between + within))

    value, error = by_the_book(statistic, np.ones(25))
    ratios = []
    for positions in np.random.default_rng(3).integers(0, 25, (199, 25)):
        other, its_error = by_the_book(statistic, np.bincount(positions, minlength=25).astype(float))
        ratios.append((other - value) / its_error)
    expected = -np.quantile(ratios, [0.975, 0.025])
    if method == "symmetric":
        expected = np.quantile(np.abs(ratios), 0.95) * np.array([-1, 1])
    ours = icc_interval(x, y, "C,1", method=method, generator=np.random.default_rng(3), resamples=199)
    assert ours == pytest.approx(value + error * expected, rel=1e-3)


def test_the_jackknife_of_a_mean_is_students_interval():
    values = np.random.default_rng(0).normal(size=12)
    without = (values.sum() - values) / 11
    ours = jackknife_interval(Estimate(values.mean(), 0, without, without, without), 0.9)
    theirs = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert ours == pytest.approx(tuple(theirs))


@pytest.mark.parametrize("method", METHODS)
def test_an_arm_does_not_differ_from_itself(method):
    (x, _), labels = drawn()
    gap = paired_bootstrap(x, x, labels, generator=np.random.default_rng(0), method=method, resamples=199)
    assert gap == (0, (0, 0), 0, (0, 0))


def test_another_method_of_the_paired_bootstrap_is_refused():
    (x, y), labels = drawn()
    with pytest.raises(ValueError, match="symmetric, jackknife, but got 'F'"):
        paired_bootstrap(x, y, labels, generator=np.random.default_rng(0), method="F")


@pytest.mark.parametrize("method", ICC_METHODS)
@pytest.mark.parametrize("form", ["1", "A,1", "C,1"])
def test_the_interval_of_perfect_agreement_is_a_point_or_undefined_never_wrong(method, form):
    x = np.arange(6.0)
    low, high = icc_interval(x, x, form, method=method, generator=np.random.default_rng(0), resamples=99)
    assert (low, high) == (1, 1) or np.isnan([low, high]).all()


def test_no_interval_where_there_is_no_icc():
    assert np.isnan(icc_interval([1.0, 1.0, 1.0], [2.0, 2.0, 2.0])).all()
    bootstrap = {"method": "percentile", "generator": np.random.default_rng(0)}
    assert np.isnan(icc_interval([1.0, 2.0], [1.0, 2.0], **bootstrap)).all()
    assert np.isnan(icc_interval([3.0] * 9, np.arange(9.0), **bootstrap)).all()


def test_a_bootstrap_without_a_generator_and_an_impossible_level_are_refused():
    with pytest.raises(ValueError, match="generator"):
        icc_interval([1.0, 2.0, 3.0], [1.0, 2.0, 2.0], method="bca")
    with pytest.raises(ValueError, match=r"\(0, 1\), but got 95"):
        icc_interval([1.0, 2.0, 3.0], [1.0, 2.0, 2.0], level=95)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_differences_change_sign_when_the_arms_change_places(seed):
    (x, y), labels = drawn(seed % 1000)
    there = paired_bootstrap(x, y, labels, generator=np.random.default_rng(seed), resamples=199)
    back = paired_bootstrap(y, x, labels, generator=np.random.default_rng(seed), resamples=199)
    assert there.icc == pytest.approx(icc(x, labels) - icc(y, labels))
    assert there.mse == pytest.approx(mse(x, labels) - mse(y, labels))
    assert there.icc_interval == pytest.approx((-back.icc_interval.high, -back.icc_interval.low))
    assert there.mse_interval == pytest.approx((-back.mse_interval.high, -back.mse_interval.low))
    swaps = [
        swap_permutation(*pair, labels, generator=np.random.default_rng(seed), permutations=199)
        for pair in ((x, y), (y, x))
    ]
    assert swaps[0] == swaps[1]


def test_resampling_within_sites_is_narrower_when_sites_differ_in_difficulty():
    (x, y), labels = drawn(scans=60)
    sites = ["easy"] * 30 + ["hard"] * 30
    x = np.where(np.array(sites) == "hard", x + 10, x)
    widths = [
        np.diff(
            paired_bootstrap(x, y, labels, generator=np.random.default_rng(0), strata=strata).mse_interval
        )
        for strata in (None, sites)
    ]
    assert widths[1] < 0.5 * widths[0]


def test_the_swap_test_sees_a_real_difference_and_none_between_identical_arms():
    (x, y), labels = drawn(scans=40)
    worse = labels + 4 * (y - labels)
    told = swap_permutation(x, worse, labels, generator=np.random.default_rng(0), permutations=999)
    assert told.icc < 0.01
    assert told.mse < 0.01
    assert swap_permutation(x, x, labels, generator=np.random.default_rng(0), permutations=99) == (1, 1)


def test_the_swap_test_rejects_a_true_null_as_often_as_it_says():
    rng = np.random.default_rng(11)
    rejected = 0
    for _ in range(400):
        labels = rng.lognormal(0, 1, 30)
        x, y = labels + rng.normal(0, 0.5 * labels, (2, 30))
        rejected += swap_permutation(x, y, labels, generator=rng, permutations=199).icc <= 0.05
    # 400 runs at 5%: 20 expected, standard deviation 4.4.
    assert 7 <= rejected <= 33


def test_a_difference_of_iccs_ends_where_such_differences_do():
    labels = np.exp(np.linspace(0, 5, 8))
    rng = np.random.default_rng(2)
    limits = [
        paired_bootstrap(
            *(labels + labels * rng.normal(size=(2, 8))), labels, generator=rng, resamples=499
        ).icc_interval
        for _ in range(20)
    ]
    assert np.min(limits) == -2
    assert np.max(limits) == 2


def test_the_interval_of_an_mse_holds_it_more_often_than_percentiles_do():
    rng = np.random.default_rng(5)
    held = np.zeros(2)
    for _ in range(300):
        errors = rng.lognormal(size=30) * rng.normal(size=30)
        low, high = mse_interval(errors, np.zeros(30), generator=rng, resamples=299)
        percentiles = np.quantile((errors[rng.integers(0, 30, (299, 30))] ** 2).mean(axis=1), [0.025, 0.975])
        truth = np.exp(2)
        held += low <= truth <= high, percentiles[0] <= truth <= percentiles[1]
        assert 0 <= low < high
    assert held[0] > held[1] + 30


def test_holm_adjusts_in_order_and_passes_over_missing_values():
    adjusted = holm([0.04, float("nan"), 0.01, 0.03])
    assert adjusted == pytest.approx([0.06, float("nan"), 0.03, 0.06], nan_ok=True)
