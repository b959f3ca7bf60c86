import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from study.regression.mixup import draw_mixing, draw_partners, mix

LABELS = np.array([0.0, 1.0, 2.0, 10.0])


@given(st.integers(0, 1000))
def test_without_a_bandwidth_a_step_is_mixed_with_itself(seed):
    scans = np.array([5, 2, 9])
    partners = draw_partners(scans, np.zeros(12), None, np.random.default_rng(seed))
    assert sorted(partners) == sorted(scans)


def test_partners_follow_a_gaussian_kernel_over_label_distances():
    bandwidth = 0.4
    distances = (LABELS - LABELS[1]) / (bandwidth * LABELS.std())
    expected = np.exp(-(distances**2) / 2)
    expected /= expected.sum()
    drawn = draw_partners(np.full(40_000, 1), LABELS, bandwidth, np.random.default_rng(0))
    found = np.bincount(drawn, minlength=4) / len(drawn)
    # Five standard errors of a share among 40,000 draws.
    assert np.abs(found - expected).max() < 5 * 0.5 / 200


def test_a_narrow_kernel_pairs_scans_with_themselves_and_equal_labels_mix_freely():
    scans = np.array([3, 0, 2])
    assert list(draw_partners(scans, LABELS, 1e-6, np.random.default_rng(0))) == [3, 0, 2]
    drawn = draw_partners(np.zeros(1000, int), np.ones(3), 0.5, np.random.default_rng(0))
    assert set(drawn) == {0, 1, 2}


@given(st.floats(0.01, 5), st.integers(0, 100))
def test_the_first_scan_leads(alpha, seed):
    weights = draw_mixing(20, alpha, np.random.default_rng(seed))
    assert ((weights >= 0.5) & (weights <= 1)).all()


def test_images_and_labels_are_mixed_alike():
    weights = np.array([0.75])
    assert mix(torch.tensor([4.0]), torch.tensor([8.0]), weights).item() == pytest.approx(5.0)
    assert mix(torch.full((1, 2, 2), 4.0), torch.zeros(1, 2, 2), weights).eq(3.0).all()
