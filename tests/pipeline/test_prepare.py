import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from study.badinput import BadInput
from study.cohort.phantom import write_phantom
from study.cohort.scans import read_cohort
from study.pipeline.prepare import open_study, prepare
from study.pipeline.progress import Progress
from study.regression.crossvalidation import CrossValidation
from study.settings import read_settings

SMALL = ["preprocessing.shape=[8,8,8]", "split.test=8", "budget.presentations=16", "training.reports=2"]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return write_phantom(tmp_path_factory.mktemp("phantom") / "scans", kind="wmh", scans=32, shape=12, seed=1)


def silent():
    return Progress(Console(file=io.StringIO(), width=200))


def prepared(cohort, root, *fields, progress=None):
    settings = read_settings(None, [f"cohort.path={cohort}", "arms=[base]", *SMALL, *fields])
    return prepare(settings, root, progress or silent())


def test_a_study_reads_back_as_it_was_made(cohort, tmp_path):
    made = prepared(cohort, tmp_path / "study")
    read = open_study(tmp_path / "study", silent())
    assert read.settings == made.settings
    assert np.array_equal(read.development, made.development)
    assert np.array_equal(read.test, made.test)
    assert len(made.test) == 8
    assert not set(made.test) & set(made.development)
    for one, other in zip(made.folds, read.folds, strict=True):
        assert np.array_equal(one.held_out, other.held_out)


def test_precision_is_resolved_once_and_written_down(cohort, tmp_path):
    assert prepared(cohort, tmp_path / "study").settings.precision in ("float32", "bfloat16")


def test_the_same_settings_continue_and_others_are_refused(cohort, tmp_path):
    prepared(cohort, tmp_path / "study")
    prepared(cohort, tmp_path / "study")
    with pytest.raises(BadInput, match="other settings \\(budget\\)"):
        prepared(cohort, tmp_path / "study", "budget.trials=9")


def test_a_cohort_named_another_way_is_the_same_cohort(cohort, tmp_path, monkeypatch):
    (tmp_path / "deep").mkdir()
    prepared(cohort, tmp_path / "study")
    monkeypatch.chdir(cohort.parent)
    for named in (cohort.name, f"./{cohort.name}/../{cohort.name}"):
        prepared(named, tmp_path / "study")


def test_files_named_by_fields_do_not_depend_on_where_one_is(cohort, tmp_path, monkeypatch):
    (tmp_path / "mine.yaml").write_text("scientific: {}\nnuisance: {}\nfixed: {}\n")
    (tmp_path / "ids.txt").write_text("\n".join(read_cohort(cohort).scans[row].id for row in range(4)))
    monkeypatch.chdir(tmp_path)
    prepared(cohort, Path("study"), "arms=[mine.yaml]", "split.test=ids.txt")
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    read = open_study(tmp_path / "study", silent())
    assert list(read.spaces) == ["mine"]
    assert read.settings.split.test == tmp_path / "ids.txt"


def test_a_folder_with_something_else_in_it_is_left_alone(cohort, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(BadInput, match="holds no study"):
        prepared(cohort, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_unknown_arm_is_refused_before_anything_is_written(cohort, tmp_path):
    with pytest.raises(BadInput, match="no built-in arm `basis`"):
        prepared(cohort, tmp_path / "study", "arms=[basis]")
    assert not (tmp_path / "study").exists()


def test_confirmations_have_fresh_seeds_and_redrawn_folds(cohort, tmp_path):
    study = prepared(cohort, tmp_path / "study")
    seeds = {study.settings.seed, *(study.confirm_seed(number) for number in range(4))}
    assert len(seeds) == 5
    again = study.folds_of(study.confirm_seed(0))
    assert any(
        not np.array_equal(one.held_out, other.held_out)
        for one, other in zip(study.folds, again, strict=True)
    )


def test_the_paper_s_protocol_trains_as_published_and_warns(cohort, tmp_path):
    console = Console(file=io.StringIO(), width=400)
    study = prepared(
        cohort,
        tmp_path / "study",
        "arms=[set_sum]",
        "validation.protocol=paper",
        "training={reports: 2, scans_per_step: 4}",
        progress=Progress(console),
    )
    assert "warning: 6 validation scans" in console.file.getvalue()
    config = study.spaces["set_sum"].resolve({"n": 4, "p": 0.1, "replacement": False})
    assert (config.optimiser, config.learning_rate, config.blank, config.views) == (
        "adadelta",
        1.0,
        "image",
        1,
    )
    assert (config.scale_labels, config.bias_at_mean) == (False, False)
    assert study.arrays.preprocessing.intensities == "unit"
    (fold,) = study.folds
    assert len(fold.held_out) == 6
    assert study.folds_of(study.confirm_seed(0)) is not study.folds
    assert np.array_equal(study.folds_of(study.confirm_seed(0))[0].held_out, fold.held_out)
    trial = CrossValidation(config, study.images_MDHW, study.labels_M, study.folds, seed=0, view_seed=0)
    report = [trial.advance() for _ in range(2)][-1]
    assert report.blank_response >= 0
    assert np.isfinite(report.oof_RM[0, fold.held_out]).all()
    assert np.isnan(report.oof_RM[0, fold.train]).all()
