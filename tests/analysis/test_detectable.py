"""What a study could have found, against brute force and what must hold for any study."""

import numpy as np
import pandas as pd
import pytest

from analysis import detectable
from analysis.comparison import comparison_table
from analysis.detectable import (
    MOST,
    Pair,
    detectable_sentence,
    detectable_table,
    power_of,
    scans_needed,
    smallest_difference,
    stretch,
)
from analysis.inference import swap_permutation
from analysis.records import read_records
from analysis.swaps import swap_p
from study.agreement import icc

SEED = (3, 4)


def pair(scans: int = 60, noise: float = 8.0, seed: int = 0) -> Pair:
    """Skewed labels, errors that two arms share in part, one arm biased."""
    rng = np.random.default_rng(seed)
    labels, shared = rng.lognormal(3, 0.6, scans), rng.normal(0, noise / 2, scans)
    errors = shared + rng.normal(0, noise, (2, scans)) - 0.1 * (labels - labels.mean())
    return Pair(tuple(errors[0]), tuple(errors[1] + 1), tuple(labels))


def test_the_swap_test_of_many_studies_is_the_swap_test():
    rng = np.random.default_rng(0)
    labels = rng.lognormal(3, 0.6, (6, 30)) + 1000
    first, second = labels + rng.normal(0, 6, (6, 30)), labels + rng.normal(1, 9, (6, 30))
    swaps = rng.integers(0, 2, (30, 400))
    found = swap_p(first, second, labels, swaps.astype(float))
    for study in range(6):
        x, y, z = first[study], second[study], labels[study]
        gaps = [icc(np.where(s, x, y), z) - icc(np.where(s, y, x), z) for s in swaps.T]
        extreme = np.abs(gaps) >= abs(icc(x, z) - icc(y, z)) * (1 - 1e-9)
        assert found[study] == (1 + extreme.sum()) / 401
    assert (swap_p(first, first, labels, swaps.astype(float)) == 1).all()


@pytest.mark.parametrize("target", [0.05, 0.5, 0.8, 0.99])
def test_stretched_errors_give_the_icc_asked_for(target):
    errors, _, labels = map(np.array, pair())
    factor = stretch(errors, labels, target)
    # The scans as a population: so often repeated that the sample's ICC is the population's.
    many = np.tile(labels, 2000), np.tile(labels + factor * errors, 2000)
    assert icc(*many) == pytest.approx(target, abs=1e-4)


def brute_power(found: Pair, difference: float, scans: int, runs: int = 400) -> float:
    """Power by plain simulation with the test that the comparison uses."""
    first, second, labels = map(np.array, found)
    rng = np.random.default_rng(99)
    many = [np.tile(values, 500) for values in (labels, labels + first, labels + second)]
    middle = (icc(many[1], many[0]) + icc(many[2], many[0])) / 2
    x = labels + stretch(first, labels, middle + difference / 2) * first
    y = labels + stretch(second, labels, middle - difference / 2) * second
    rejected = 0
    for _ in range(runs):
        some = rng.integers(0, labels.size, scans)
        rejected += (
            swap_permutation(x[some], y[some], labels[some], generator=rng, permutations=399).icc <= 0.05
        )
    return rejected / runs


def test_power_at_the_difference_found_and_with_the_scans_needed_is_80_percent():
    found = pair()
    difference, needed = smallest_difference(found, SEED), scans_needed(found, SEED)
    assert difference.power == pytest.approx(0.8, abs=0.02)
    assert needed.power == pytest.approx(0.8, abs=0.03)
    # 400 runs: a standard error of 2 points, three of them and the simulation's own.
    assert brute_power(found, difference.where, 60) == pytest.approx(0.8, abs=0.07)
    assert brute_power(found, 0.05, int(needed.where)) == pytest.approx(0.8, abs=0.07)


def test_without_a_difference_the_test_rejects_no_more_than_its_level():
    # Both arms biased alike: exchangeable but for the shape of their errors.
    errors, _, labels = pair()
    mirrored = Pair(errors, errors[::-1], labels)
    assert power_of(mirrored, 0.0, 60, SEED) < 0.075


def test_more_scans_show_smaller_differences_and_the_same_seed_the_same():
    found = pair()
    powers = [power_of(found, 0.05, scans, SEED) for scans in (30, 60, 120, 240)]
    assert powers == sorted(powers)
    small, large = (smallest_difference(pair(scans), SEED).where for scans in (30, 240))
    assert large < small
    detectable.smallest_difference.cache_clear()
    assert smallest_difference(pair(30), SEED).where == small


def test_what_cannot_be_found_is_said_to_be_so():
    nothing = smallest_difference(pair(6), SEED)
    assert np.isnan(nothing.where)
    errors, _, labels = pair(60, noise=0.5)
    nearly_perfect = Pair(tuple(0.01 * np.array(errors)), tuple(0.01 * np.array(errors)), labels)
    assert np.isnan(scans_needed(nearly_perfect, SEED).where)
    exact = Pair((0.0,) * 20, (0.0,) * 20, labels[:20])
    assert np.isnan(smallest_difference(exact, SEED).where)


def test_the_table_has_a_row_a_claim_and_the_sentence_tells_of_set_sum(finished):
    records = read_records(finished)
    table = detectable_table(records, comparison_table(records))
    assert table[["first", "second"]].to_numpy().tolist() == [["dropout", "base"], ["set_sum", "base"]]
    assert (table["scans"] == 40).all()
    row = table.iloc[1]
    sentence = detectable_sentence(table)
    assert f"{row['detectable_difference']:.2g} apart" in sentence
    assert "With 40 test scans" in sentence
    assert "about 530 test scans" in detectable_sentence(table.assign(scans_needed=528.0))
    assert 0 < row["detectable_difference"] < 0.5
    assert f"over {MOST:,} test scans" in detectable_sentence(table.assign(scans_needed=np.inf))
    assert detectable_sentence(table.assign(scans_needed=np.nan)).endswith("0.05).")
    assert detectable_sentence(table.assign(detectable_difference=np.nan)) == ""
    assert detectable_sentence(pd.DataFrame()) == ""
