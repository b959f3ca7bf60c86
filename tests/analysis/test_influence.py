"""Influences are derivatives, and their sum of squares the error that strata leave."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.influence import icc_influences, standard_errors
from analysis.moments import Terms
from study.agreement import icc


def scored(seed, scans, offset=0.0):
    rng = np.random.default_rng(seed)
    labels = rng.lognormal(size=scans)
    return labels + rng.normal(0.3, 0.5, scans) + offset, labels + offset


@given(
    seed=st.integers(0, 2**32 - 1),
    form=st.sampled_from(["1", "A,1", "C,1"]),
    scans=st.integers(8, 30),
    offset=st.sampled_from([0.0, -50.0, 1e4]),
)
def test_influences_predict_the_icc_without_a_scan(seed, form, scans, offset):
    arm, labels = scored(seed, scans, offset)
    # Forty copies of every scan: then one less is a small step, and the degrees of freedom no matter.
    counts = np.full(scans, 40.0)
    influences = icc_influences(Terms(arm, labels), counts[None], form)[0]
    assert counts @ influences == pytest.approx(0, abs=1e-6 * np.abs(influences).sum() + 1e-12)
    whole = np.repeat(np.arange(scans), 40)
    for scan in (0, scans // 2):
        kept = np.delete(whole, 40 * scan)
        change = icc(arm[kept] - offset, labels[kept] - offset, form) - icc(
            arm[whole] - offset, labels[whole] - offset, form
        )
        scale = np.abs(influences).max() / (40 * scans)
        assert change == pytest.approx(-influences[scan] / (40 * scans), abs=0.1 * scale + 1e-9)


def test_the_error_of_a_mean_within_strata():
    rng = np.random.default_rng(0)
    values, counts = rng.normal(size=20), np.ones((1, 20))
    strata = [np.arange(12), np.arange(12, 20)]
    by_hand = np.sqrt(sum(len(each) * values[each].var(ddof=1) for each in strata)) / 20
    assert standard_errors(values, counts, strata)[0] == pytest.approx(by_hand)
    assert standard_errors(values[None], counts, strata)[0] == pytest.approx(by_hand)
    whole = standard_errors(values, counts, [np.arange(20)])[0]
    assert whole == pytest.approx(values.std(ddof=1) / np.sqrt(20))


def test_a_resample_that_hardly_varies_has_no_influences():
    arm, labels = scored(1, 12)
    counts = np.zeros((2, 12))
    counts[0, 3] = 12
    counts[1] = 1
    finite = np.isfinite(icc_influences(Terms(arm, labels), counts, "A,1")).all(axis=1)
    assert list(finite) == [False, True]
