"""Several scans of one person are drawn, left out and swapped together."""

import numpy as np
import pytest

from analysis.inference import icc_interval, mse_interval, paired_bootstrap, swap_permutation


def drawn(scans):
    rng = np.random.default_rng(0)
    labels = rng.normal(size=scans)
    return labels + 0.5 * rng.normal(size=(2, scans)), labels


def persons(rng, count, scans):
    """Two exchangeable arms, labels, and whose scan each is; four fifths of any variance are the person's."""

    def part(*shape):
        shared, own = rng.normal(size=(*shape, count, 1)), rng.normal(size=(*shape, count, scans))
        return (np.sqrt(0.8) * shared + np.sqrt(0.2) * own).reshape(*shape, -1)

    labels = part()
    return labels + 0.5 * part() + 0.5 * part(2), labels, np.repeat(np.arange(count), scans)


def test_the_swap_test_of_several_scans_a_person_is_only_right_when_they_swap_together():
    rng = np.random.default_rng(3)
    rejected = np.zeros(2)
    for _ in range(300):
        (x, y), labels, person = persons(rng, 20, 3)
        for place, groups in enumerate((person, None)):
            found = swap_permutation(x, y, labels, generator=rng, permutations=199, groups=groups)
            rejected[place] += found.icc <= 0.05
    # 300 runs at 5%: 15 expected, standard deviation 3.8.
    assert 3 <= rejected[0] <= 27
    assert rejected[1] > 40


def test_intervals_of_several_scans_a_person_hold_the_truth_when_they_are_drawn_together():
    rng = np.random.default_rng(4)
    held = np.zeros((2, 3))
    for _ in range(200):
        (x, y), labels, person = persons(rng, 20, 3)
        for place, groups in enumerate((person, None)):
            given = {"generator": rng, "resamples": 199, "groups": groups}
            gap = paired_bootstrap(x, y, labels, **given)
            one = icc_interval(x, labels, method="symmetric", **given)
            limits = [gap.icc_interval, gap.mse_interval, one]
            # ICC: labels vary by 1, errors by 0.5, and no arm is biased.
            held[place] += [
                low <= truth <= high for (low, high), truth in zip(limits, (0, 0, 0.8), strict=True)
            ]
    together, apart = held / 200
    assert (together > 0.88).all()
    assert (apart < 0.88).all()


def test_scans_that_are_groups_of_their_own_change_nothing():
    (x, y), labels = drawn(30)
    alone = [f"person {number}" for number in range(30)]
    for function in (paired_bootstrap, swap_permutation):
        found = [function(x, y, labels, generator=np.random.default_rng(0), groups=g) for g in (None, alone)]
        assert found[0] == found[1]


def test_scans_of_one_person_cannot_lie_in_two_strata():
    (x, y), labels = drawn(6)
    with pytest.raises(ValueError, match="one group lie in the strata"):
        paired_bootstrap(
            x,
            y,
            labels,
            generator=np.random.default_rng(0),
            groups=[0, 0, 1, 2, 3, 4],
            strata=[0, 1, 0, 1, 0, 1],
        )


def test_fewer_than_three_persons_have_no_interval_however_many_scans():
    (x, y), labels = drawn(8)
    given = {"generator": np.random.default_rng(0), "groups": [0, 0, 0, 0, 1, 1, 1, 1]}
    assert np.isnan(paired_bootstrap(x, y, labels, **given).icc_interval).all()
    assert np.isnan(icc_interval(x, labels, method="symmetric", **given)).all()
    assert np.isnan(mse_interval(x, labels, **given)).all()
