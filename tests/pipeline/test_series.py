"""What a series consists of, how its studies divide the cohort, and what they share. Nothing is trained."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from study.cohort.split import outer_split
from study.pipeline.division import Listing, draw_split, positions, study_folds
from study.pipeline.prepared import read_spaces
from study.pipeline.progress import Progress
from study.pipeline.series import _lend_arrays, is_series, members
from study.pipeline.stages import prepare
from study.settings import StudySettings, builtin_text, read_settings


def settings_of(*fields: str) -> StudySettings:
    return read_settings(None, fields)


def cohort_of(scans: int, seed: int = 0, groups: int | None = None) -> Listing:
    rng = np.random.default_rng(seed)
    ids = tuple(f"scan-{i}" for i in range(scans))
    return Listing(
        ids=ids,
        labels=rng.lognormal(3, 1, scans).round(),
        sites=tuple(f"site{i % 3}" for i in range(scans)),
        groups=tuple(f"g{i}" for i in rng.integers(0, groups, scans)) if groups else ids,
    )


def test_a_study_differs_from_the_file_by_its_own_fields_alone() -> None:
    series = settings_of("series={mse: {training.loss: mse}, mae: {training.loss: mae, split.test: 20}}")
    found = members(series)
    assert list(found) == ["mse", "mae"]
    assert not any(is_series(member) for member in found.values())
    assert found["mae"] == settings_of("training.loss=mae", "split.test=20")


def test_the_command_line_reaches_into_a_study() -> None:
    series = settings_of("series={a: {}, b: {}}", "series.b.budget.trials=9", "budget.presentations=77")
    found = members(series)
    assert found["a"].budget.trials == settings_of().budget.trials
    assert found["b"].budget.trials == 9
    assert {member.budget.presentations for member in found.values()} == {77}


def test_outer_folds_are_a_study_each() -> None:
    nested = settings_of("validation.outer_folds=3")
    assert is_series(nested)
    found = members(nested)
    assert [member.split.outer_fold for member in found.values()] == [1, 2, 3]
    assert list(found) == ["fold-1", "fold-2", "fold-3"]


@given(
    scans=st.integers(12, 40),
    folds=st.integers(2, 5),
    seed=st.integers(0, 1000),
    grouped=st.booleans(),
    stratify=st.booleans(),
)
def test_each_scan_is_tested_once_and_never_by_a_study_that_learned_from_its_group(
    scans: int, folds: int, seed: int, grouped: bool, stratify: bool
) -> None:
    cohort = cohort_of(scans, seed, groups=scans if grouped else None)
    assume(len(set(cohort.groups)) >= 3 * folds)
    group = dict(zip(cohort.ids, cohort.groups, strict=True))
    tested: list[str] = []
    fields = [f"validation.outer_folds={folds}", "validation.folds=2", f"seed={seed}"]
    for member in members(settings_of(*fields, f"split.stratify={str(stratify).lower()}")).values():
        development, test = draw_split(member, cohort)
        tested += test
        assert set(development) | set(test) == set(cohort.ids)
        assert not {group[name] for name in development} & {group[name] for name in test}
        rows = positions(cohort, development)
        for fold in study_folds(member, cohort, rows, member.seed):
            inner = {cohort.ids[rows[i]] for i in (*fold.train, *fold.held_out)}
            assert not inner & set(test)
    assert sorted(tested) == sorted(cohort.ids)


def test_stratified_outer_folds_are_alike_in_site_and_label() -> None:
    cohort = cohort_of(60)
    site = dict(zip(cohort.ids, cohort.sites, strict=True))
    label = dict(zip(cohort.ids, cohort.labels, strict=True))
    medians = []
    for fold in range(1, 6):
        split = outer_split(
            cohort.ids, cohort.labels, cohort.sites, cohort.groups, folds=5, fold=fold, stratify=True, seed=1
        )
        counts = [sum(site[name] == f"site{i}" for name in split.test) for i in range(3)]
        assert max(counts) - min(counts) <= 1
        medians.append(np.median([label[name] for name in split.test]))
    assert np.ptp(medians) < 0.5 * np.std(cohort.labels)


@pytest.mark.parametrize("seed", range(3))
def test_the_papers_validation_scans_are_the_same_at_every_training_size(seed: int) -> None:
    cohort = cohort_of(80, seed)
    series = read_settings(None, [f"seed={seed}", "arms=[base]"])
    held, sizes, tests = set(), [], set()
    for size in (17, 21, 25, 30):
        fields = {"development": size, "test": 50, "stratify": False}
        study = series.model_copy(
            update={
                "split": series.split.model_copy(update=fields),
                "validation": series.validation.model_copy(update={"protocol": "paper", "scans": 5}),
            }
        )
        development, test = draw_split(study, cohort)
        rows = positions(cohort, development)
        (fold,) = study_folds(study, cohort, rows, seed)
        held.add(tuple(cohort.ids[rows[i]] for i in fold.held_out))
        sizes.append(len(fold.train))
        tests.add(test)
    assert sizes == [12, 16, 20, 25]
    assert len(held) == len(tests) == 1


def test_the_sampler_paper_leaves_nothing_to_search() -> None:
    spaces = read_spaces(settings_of("search.sampler=paper", "arms=[base, dropout, set_sum, c_mixup]"))
    assert not any(space.searched for space in spaces.values())
    config = spaces["set_sum"].resolve({})
    assert (config.n, config.p, config.replacement) == (4, 0.1, False)
    assert spaces["dropout"].resolve({}).dropout == 0.3


PRESETS = ("table1", "figure3", "set_size", "dropout_little_data")


@pytest.mark.parametrize("name", PRESETS)
def test_presets_have_both_protocols_and_shrink_only_without_a_cohort(name: str, tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(builtin_text(name))
    phantom, real = read_settings(path), read_settings(path, [f"cohort.path={tmp_path}"])
    for settings in (phantom, real):
        studies = members(settings)
        assert {study.validation.protocol for study in studies.values()} == {"paper", "kfold"}
        for study in studies.values():
            paper = study.validation.protocol == "paper"
            assert paper == (study.search.sampler == "paper")
            config = next(iter(read_spaces(study).values())).constants
            assert ("optimiser" in config and config["optimiser"] == "adadelta") == paper
    assert phantom.preprocessing.shape == (10, 10, 10)
    assert min(real.preprocessing.shape) >= 48
    assert {study.budget.presentations for study in members(real).values()} == {20000}
    tests = [study.split.test for study in members(real).values()]
    assert tests == {"table1": [30, 30, 20] * 2, "figure3": [1977] * 8}.get(name, [30] * len(tests))


def test_fields_without_a_cohort_give_way_to_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("format: 1\nbudget: {trials: 9}\nwithout_cohort: {budget.trials: 3, seed: 5}\n")
    assert (read_settings(path).budget.trials, read_settings(path).seed) == (3, 5)
    assert read_settings(path, ["seed=7"]).seed == 7
    assert read_settings(path, ["cohort.path=x"]).budget.trials == 9


def test_arrays_are_linked_where_the_same_scans_are_read_the_same_way(tmp_path: Path) -> None:
    fields = ["phantom.scans=12", "split.test=4", "preprocessing.shape=[8, 8, 8]", "precision=float32"]
    series = "series={a: {}, b: {seed: 0}, c: {validation.protocol: paper, validation.scans: 2}}"
    studies = members(settings_of(series, "arms=[base]", "validation.folds=2", *fields))
    prepared, inodes = {}, []
    for name, study in studies.items():
        _lend_arrays(study, tmp_path / name, prepared, studies)
        prepared[name] = prepare(study, tmp_path / name, Progress())
        inodes.append((tmp_path / name / "cohort" / "images.npy").stat().st_ino)
    assert inodes[0] == inodes[1] != inodes[2]
    assert prepared["c"].arrays.preprocessing.intensities == "unit"
