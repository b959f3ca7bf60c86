"""The swap test by sums gives what swapping scan by scan gives."""

from itertools import product

import numpy as np
import pytest

from analysis import permutation
from analysis.inference import swap_permutation
from study.agreement import icc, mse


def drawn(scans=9, offset=0.0):
    rng = np.random.default_rng(2)
    labels = rng.lognormal(size=scans)
    return labels + rng.normal(0, [[0.3], [0.9]], (2, scans)) + offset, labels + offset


@pytest.mark.parametrize("form", ["1", "A,1", "C,1"])
@pytest.mark.parametrize("offset", [0.0, 2.0**24], ids=["near zero", "far from it"])
def test_all_swaps_are_counted_as_by_hand(monkeypatch, form, offset):
    arms, labels = drawn(offset=offset)
    swaps = np.array(list(product([False, True], repeat=9)))
    monkeypatch.setattr(permutation, "draw_swaps", lambda *_: iter([swaps[:100], swaps[100:]]))
    ours = swap_permutation(
        *arms, labels, generator=np.random.default_rng(0), form=form, permutations=len(swaps)
    )
    arms, labels = arms - offset, labels - offset
    first, second = np.where(swaps, arms[1], arms[0]), np.where(swaps, arms[0], arms[1])
    for p, score in ((ours.icc, lambda *each: icc(*each, form)), (ours.mse, mse)):
        gaps = np.abs(score(first, labels) - score(second, labels))
        as_large = (gaps >= np.abs(score(arms[0], labels) - score(arms[1], labels)) - 1e-9).sum()
        assert p == (as_large + 1) / (len(swaps) + 1)


def test_constant_arms_and_labels_have_no_icc_to_compare():
    flat = np.full(12, 0.3)
    p = swap_permutation(flat, flat, flat, generator=np.random.default_rng(0), permutations=99)
    assert np.isnan(p.icc)
    assert p.mse == 1
