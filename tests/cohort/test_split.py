"""Splits and folds: exact, disjoint, whole in groups, balanced when stratified, fixed by seed."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from study.badinput import BadInput
from study.cohort.split import Split, holdout_fold, make_folds, pseudo_uniform, split_test

seeds = st.integers(0, 2**31)


@st.composite
def scans(draw: st.DrawFn, grouped: bool = False) -> tuple[list[str], np.ndarray, list[str], list[str]]:
    """Ids, labels, sites and groups of 4 to 40 scans."""
    count = draw(st.integers(4, 40))
    rng = np.random.default_rng(draw(seeds))
    ids = [f"s{i}" for i in range(count)]
    sites = [f"site{i}" for i in rng.integers(0, 3, count)]
    groups = [f"g{i}" for i in rng.integers(0, count, count)] if grouped else ids
    return ids, np.round(rng.lognormal(2, 1, count)), sites, groups


@given(cohort=scans(), share=st.floats(0, 1), stratify=st.booleans(), seed=seeds)
def test_split_is_exact_and_complete(cohort, share: float, stratify: bool, seed: int) -> None:
    ids = cohort[0]
    count = round(share * (len(ids) - 1))
    split = split_test(*cohort, test=count, stratify=stratify, seed=seed)
    assert len(split.test) == count
    assert sorted(split.development + split.test) == sorted(ids)
    assert split == split_test(*cohort, test=count, stratify=stratify, seed=seed)
    assert split == Split.from_json(split.to_json())


@given(cohort=scans(grouped=True), stratify=st.booleans(), seed=seeds)
def test_groups_stay_on_one_side(cohort, stratify: bool, seed: int) -> None:
    ids, _, _, groups = cohort
    assume(len(set(groups)) > 1)
    split = split_test(*cohort, test=len(ids) - 1, stratify=stratify, seed=seed)
    group_of = dict(zip(ids, groups, strict=True))
    assert not {group_of[i] for i in split.test} & {group_of[i] for i in split.development}
    assert split.development
    assert split.test


def test_one_person_s_scans_alone_cannot_be_split() -> None:
    with pytest.raises(BadInput, match="no group of scans is small enough"):
        split_test(["a", "b"], np.ones(2), ["", ""], ["one", "one"], test=1, stratify=False, seed=0)


def test_every_scan_is_as_likely_to_be_a_test_scan() -> None:
    ids = [f"s{i}" for i in range(10)]
    labels = np.arange(10.0)
    drawn = Counter(
        name
        for seed in range(1000)
        for name in split_test(ids, labels, [""] * 10, ids, test=7, stratify=True, seed=seed).test
    )
    # Binomial SD is below 15.
    assert all(abs(drawn[name] - 700) < 75 for name in ids)


def test_stratified_test_scans_cover_sites_and_labels() -> None:
    rng = np.random.default_rng(0)
    labels = rng.lognormal(3, 1, 60)
    sites = [("A", "B", "C")[i % 3] for i in range(60)]
    ids = [f"s{i}" for i in range(60)]
    for seed in range(20):
        split = split_test(ids, labels, sites, ids, test=0.5, stratify=True, seed=seed)
        test = np.isin(ids, split.test)
        counts = Counter(np.array(sites)[test])
        assert all(9 <= counts[site] <= 11 for site in "ABC")
        # Half of the scans above the median and half below are test scans, give or take a few.
        assert abs((labels[test] > np.median(labels)).sum() - 15) <= 4


@pytest.mark.parametrize("scans", [2, 3])
def test_stratified_test_scans_of_persons_with_several_cover_sites_and_labels(scans: int) -> None:
    labels = np.repeat(np.random.default_rng(0).lognormal(3, 0.8, 40), scans)
    person = [str(i // scans) for i in range(40 * scans)]
    site = ["small" if i < 10 * scans else "large" for i in range(40 * scans)]
    spread = []
    for stratify in (True, False):
        gaps = []
        for seed in range(60):
            ids = [str(i) for i in range(40 * scans)]
            test = split_test(ids, labels, site, person, test=0.5, stratify=stratify, seed=seed).test
            rows = np.array([int(name) for name in test])
            if stratify:
                assert 4 * scans <= (rows < 10 * scans).sum() <= 6 * scans
            gaps.append(np.log(labels[rows]).mean() - np.log(np.delete(labels, rows)).mean())
        spread.append(np.std(gaps))
    assert spread[0] < 0.5 * spread[1]


def test_test_scans_from_a_list_or_a_file(tmp_path: Path) -> None:
    ids, labels = ["a", "b", "c"], np.zeros(3)
    path = tmp_path / "test.txt"
    path.write_text("# fixed long ago\nc\n\n a \n")
    expected = Split(development=("b",), test=("a", "c"))
    for test in (path, ["c", "a"]):
        assert split_test(ids, labels, [""] * 3, ids, test=test, stratify=False, seed=0) == expected


@pytest.mark.parametrize(
    ("test", "message"),
    [
        (4, "`test` < 4"),
        (-1, "0 <= `test`"),
        (1.0, "share"),
        (float("nan"), "share"),
        (["z"], "unknown scan id 'z'"),
        ([], "no test scan is listed"),
        (["a", "a"], "'a' is listed twice"),
        (["a"], "'b' belongs to group 'g'"),
        (["a", "b", "c", "d"], "none is left"),
        (Path("nowhere.txt"), "cannot be read"),
    ],
)
def test_impossible_tests_are_refused(test, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        split_test(list("abcd"), np.zeros(4), [""] * 4, list("ggcd"), test=test, stratify=False, seed=0)


def test_groups_too_large_to_test_on_are_refused() -> None:
    with pytest.raises(BadInput, match="no group of scans is small enough"):
        split_test(list("abcd"), np.zeros(4), [""] * 4, list("gghh"), test=1, stratify=False, seed=0)


@given(cohort=scans(), folds=st.integers(2, 4), repeats=st.integers(1, 3), stratify=st.booleans(), seed=seeds)
def test_each_scan_is_held_out_once_a_repeat(
    cohort, folds: int, repeats: int, stratify: bool, seed: int
) -> None:
    _, labels, sites, groups = cohort
    made = make_folds(labels, sites, groups, folds=folds, repeats=repeats, stratify=stratify, seed=seed)
    again = make_folds(labels, sites, groups, folds=folds, repeats=repeats, stratify=stratify, seed=seed)
    assert [(fold.repeat, fold.index) for fold in made] == list(np.ndindex(repeats, folds))
    for repeat in range(repeats):
        held = [fold.held_out for fold in made if fold.repeat == repeat]
        assert sorted(np.concatenate(held).tolist()) == list(range(len(labels)))
        assert max(map(len, held)) - min(map(len, held)) <= 1
    for fold, same in zip(made, again, strict=True):
        assert sorted([*fold.train, *fold.held_out]) == list(range(len(labels)))
        assert fold.train.tolist() == sorted(fold.train)
        np.testing.assert_array_equal(fold.held_out, same.held_out)


@given(cohort=scans(grouped=True), stratify=st.booleans(), seed=seeds)
def test_groups_never_straddle_folds(cohort, stratify: bool, seed: int) -> None:
    _, labels, sites, groups = cohort
    if len(set(groups)) < 2:
        return
    for fold in make_folds(labels, sites, groups, folds=2, repeats=1, stratify=stratify, seed=seed):
        assert not {groups[i] for i in fold.train} & {groups[i] for i in fold.held_out}
        assert len(fold.held_out) > 0


@given(cohort=scans(), folds=st.integers(2, 4), seed=seeds)
def test_stratified_folds_share_out_sites_and_labels(cohort, folds: int, seed: int) -> None:
    _, labels, sites, groups = cohort
    made = make_folds(labels, sites, groups, folds=folds, repeats=1, stratify=True, seed=seed)
    for site in set(sites):
        counts = [sum(sites[i] == site for i in fold.held_out) for fold in made]
        # A site is a run of neighbours dealt round: at most one scan more at each of its two ends.
        assert max(counts) - min(counts) <= 2


def test_stratified_folds_have_closer_label_means_than_random_ones() -> None:
    labels = np.random.default_rng(0).lognormal(3, 1, 40)
    ids = [str(i) for i in range(40)]

    def spread(stratify: bool) -> float:
        made = make_folds(labels, [""] * 40, ids, folds=5, repeats=20, stratify=stratify, seed=1)
        return float(np.mean([abs(np.median(labels[fold.held_out]) - np.median(labels)) for fold in made]))

    assert spread(True) < 0.6 * spread(False)


def test_repeats_and_seeds_draw_anew() -> None:
    labels, ids = np.arange(20.0), [str(i) for i in range(20)]
    held = {
        tuple(fold.held_out)
        for seed in (0, 1)
        for fold in make_folds(labels, [""] * 20, ids, folds=4, repeats=2, stratify=True, seed=seed)
    }
    assert len(held) == 16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"folds": 1}, "2 <= `folds` <= 3"), ({"folds": 4}, "2 <= `folds` <= 3"), ({"repeats": 0}, "`repeats`")],
)
def test_impossible_folds_are_refused(arguments: dict[str, int], message: str) -> None:
    wanted = {"folds": 2, "repeats": 1, **arguments}
    with pytest.raises(BadInput, match=message):
        make_folds(np.zeros(4), [""] * 4, list("abgg"), stratify=True, seed=0, **wanted)


def test_holdout_is_one_fold_of_the_size_asked_for() -> None:
    ids = [str(i) for i in range(30)]
    (fold,) = holdout_fold(ids, validation=6, seed=3)
    assert (len(fold.train), len(fold.held_out)) == (24, 6)
    assert not set(fold.train) & set(fold.held_out)
    for validation in (0, 30):
        with pytest.raises(BadInput, match="`validation`"):
            holdout_fold(ids, validation=validation, seed=3)


@given(cohort=scans(), seed=seeds, data=st.data())
def test_the_same_scans_are_held_out_of_fewer_scans(cohort, seed: int, data: st.DataObject) -> None:
    ids, *_ = cohort
    validation = data.draw(st.integers(1, len(ids) - 1))
    (whole,) = holdout_fold(ids, validation=validation, seed=seed)
    held = {ids[i] for i in whole.held_out}
    kept = [name for name in ids if name in held or data.draw(st.booleans())]
    if len(kept) > validation:
        (part,) = holdout_fold(kept, validation=validation, seed=seed)
        assert {kept[i] for i in part.held_out} == held


@given(cohort=scans(), share=st.floats(0, 1), seed=seeds)
def test_pseudo_uniform_is_a_subset_in_order(cohort, share: float, seed: int) -> None:
    ids, labels, _, _ = cohort
    size = max(1, round(share * len(ids)))
    subset = pseudo_uniform(ids, labels, size, seed)
    assert len(set(subset)) == size
    assert [name for name in ids if name in subset] == list(subset)
    assert subset == pseudo_uniform(ids, labels, size, seed)


def test_pseudo_uniform_flattens_a_skewed_distribution() -> None:
    labels = np.random.default_rng(0).exponential(10, 200)
    ids = [str(i) for i in range(200)]
    position = {name: i for i, name in enumerate(ids)}
    for seed in range(5):
        chosen = labels[[position[name] for name in pseudo_uniform(ids, labels, 20, seed)]]
        low, high = labels.min(), labels.max()
        upper_half = (chosen > (low + high) / 2).mean()
        assert upper_half > 3 * (labels > (low + high) / 2).mean()


@pytest.mark.parametrize("size", [0, 5])
def test_pseudo_uniform_of_impossible_size_is_refused(size: int) -> None:
    with pytest.raises(BadInput, match="`size`"):
        pseudo_uniform(list("abcd"), np.arange(4.0), size, 0)
