"""The Tab key: what is offered, asked in a real bash by its own protocol, and piece by piece."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from study.builtin import built_in_arms, builtin_names
from study.commands.completing import builtin_studies, study_fields, study_folders
from study.regression.config import ASKED, TrialConfig
from study.settings import StudySettings, read_settings

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def offered_by_bash(tmp_path_factory):
    """What a bash that has the completion installed offers for the last of some words."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "setsum").write_text(f'#!/bin/sh\nexec {sys.executable} -m study.cli "$@"\n')
    (folder / "setsum").chmod(0o755)
    env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}

    def offered(*words, cwd=ROOT):
        script = (
            "source <(_SETSUM_COMPLETE=source_bash setsum); "
            f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; "
            '_setsum_completion setsum; printf "%s\\n" "${COMPREPLY[@]}"'
        )
        command = ["bash", "--norc", "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=cwd, check=True)
        assert done.stderr == ""
        return done.stdout.split()

    return offered


def test_bash_is_offered_studies_built_in_files_fields_and_their_values(offered_by_bash, tmp_path):
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "study.yaml").write_text("")
    assert offered_by_bash("setsum", "init", "fi") == ["figure3"]
    assert offered_by_bash("setsum", "status", "f", cwd=tmp_path) == ["first"]
    assert offered_by_bash("setsum", "run", "budget.tr") == ["budget.trials=", "budget.trials=6"]
    # As bash cuts `arms=[base,sets_`.
    assert offered_by_bash("setsum", "run", "arms", "=", "'[base,sets_'") == [
        "[base,sets_of_2",
        "[base,sets_of_4",
    ]


def asked(incomplete, *before):
    return study_fields(SimpleNamespace(params={"arguments": list(before)}), incomplete)


def test_studies_are_offered_and_folders_that_hold_some(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("alpha", "beta/one", "beta/two", ".hidden", "alphabet"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("alpha/study.yaml", "beta/one/series.yaml", "beta/two/study.yaml", ".hidden/study.yaml"):
        (tmp_path / name).write_text("")
    assert study_folders("") == ["alpha", "beta/"]
    assert study_folders("al") == ["alpha"]
    assert study_folders("beta/") == ["beta/one", "beta/two"]
    assert study_folders("beta/t") == ["beta/two"]
    assert study_folders(f"{tmp_path}/be") == [f"{tmp_path}/beta/"]
    assert study_folders(".h") == [".hidden"]
    assert study_folders("nowhere/x") == []


def test_built_in_study_files_are_offered():
    assert builtin_studies("") == builtin_names()
    assert builtin_studies("t") == ["table1"]


def test_every_field_of_a_study_file_is_offered_and_what_is_offered_is_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    offers = [offer for offer in asked("") if not offer.endswith("=")]
    keys = {offer.partition("=")[0] for offer in offers}
    assert {name for name in StudySettings.model_fields if name != "format"} == {
        key.partition(".")[0] for key in keys
    }
    assert not {f"training.{name}" for name in ASKED} & keys
    assert {key.removeprefix("training.") for key in keys if key.startswith("training.")} <= set(
        TrialConfig.model_fields
    )
    settings = read_settings(None, offers)
    assert settings.model_dump(exclude={"training"}) == StudySettings().model_dump(exclude={"training"})


def test_values_are_offered_whole_or_behind_the_equals_sign():
    assert asked("search.sampler=") == [
        f"search.sampler={word}" for word in ("tpe", "random", "qmc", "paper")
    ]
    assert asked("r", "search.sampler", "=") == ["random"]
    assert asked("", "search.scheduler") == ["fifo", "asha"]
    assert asked("split.stratify=t") == ["split.stratify=true"]
    assert asked("training.blank=") == ["training.blank=mask", "training.blank=image"]
    assert asked("arms=[base,drop") == ["arms=[base,dropout"]
    assert asked("nothing.like=it") == []
    named = {offer.removeprefix("arms=[base,") for offer in asked("arms=[base,")}
    assert named == set(built_in_arms()) - {"base"}


def test_study_files_of_this_folder_come_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("")
    assert asked("m")[0] == "mine.yaml"
