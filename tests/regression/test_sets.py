import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.badinput import BadInput
from study.regression.sets import draw_sets

sizes = st.integers(1, 40)
seeds = st.integers(0, 2**32)


@given(m=sizes, n=sizes, seed=seeds)
def test_without_replacement_each_scan_comes_once_and_the_rest_is_blank(m, n, seed):
    sets = draw_sets(m, n, 0.0, False, np.random.default_rng(seed))
    assert sets.shape == (-(-m // n), n)
    assert sorted(sets[sets >= 0]) == list(range(m))
    assert (sets[:-1] >= 0).all()


@given(m=sizes, n=sizes, p=st.floats(0, 0.99), replacement=st.booleans(), seed=seeds)
def test_slots_hold_scans_or_blanks(m, n, p, replacement, seed):
    sets = draw_sets(m, n, p, replacement, np.random.default_rng(seed))
    assert sets.shape == (-(-m // n), n)
    assert sets.min() >= -1
    assert sets.max() < m


@given(m=sizes, n=sizes, replacement=st.booleans(), seed=seeds)
def test_same_generator_same_sets(m, n, replacement, seed):
    first, second = (draw_sets(m, n, 0.3, replacement, np.random.default_rng(seed)) for _ in range(2))
    assert np.array_equal(first, second)


def test_share_of_blanks_and_uniformity():
    generator = np.random.default_rng(0)
    slots = np.concatenate([draw_sets(5, 4, 0.1, True, generator).ravel() for _ in range(5000)])
    counts = np.bincount(slots + 1, minlength=6) / len(slots)
    # Six standard errors of 40,000 Bernoulli draws.
    assert counts[0] == pytest.approx(0.1, abs=6 * (0.1 * 0.9 / len(slots)) ** 0.5)
    assert counts[1:] == pytest.approx(0.18, abs=6 * (0.18 * 0.82 / len(slots)) ** 0.5)


@pytest.mark.parametrize(("m", "n", "p"), [(0, 1, 0.0), (5, 0, 0.0), (5, 1, 1.0), (5, 1, -0.1)])
def test_impossible_numbers_are_refused(m, n, p):
    with pytest.raises(BadInput, match=f"m = {m}, n = {n}, p = {p}"):
        draw_sets(m, n, p, False, np.random.default_rng(0))
