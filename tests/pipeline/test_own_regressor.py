"""A study with a network of the user's own: refused before anything is made, and watched for changes."""

import json
import re
import shutil
from io import StringIO
from pathlib import Path

import nets
import pytest
import yaml
from rich.console import Console

from study.badinput import BadInput
from study.cohort.preprocess import Preprocessing
from study.pipeline.prepare import open_study, prepare
from study.pipeline.progress import Progress
from study.record import write_yaml
from study.regression.config import TrialConfig
from study.regression.recipe import Recipe, read_recipe
from study.settings import StudySettings, read_settings
from study.sweep.spaces import read_space

SMALL = [
    "preprocessing.shape=[8,8,8]",
    "phantom.scans=20",
    "phantom.shape=[10,10,10]",
    "split.test=6",
    "budget.presentations=16",
    "training.reports=2",
    "arms=[base, dropout]",
]


def silent() -> Progress:
    return Progress(Console(file=StringIO()))


def wanted(folder: Path, text: str, *more: str) -> StudySettings:
    (folder / "mynets.py").write_text(text)
    return read_settings(None, [*SMALL, f"training.regressor={folder}/mynets.py:Small", *more])


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("begun")
    prepare(wanted(folder, nets.CONVOLUTION), folder / "study", silent())
    return folder


def test_the_file_is_relative_to_the_study_file_or_to_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep").mkdir()
    file = tmp_path / "deep" / "study.yaml"
    file.write_text("format: 1\ntraining: {regressor: 'mynets.py:small'}\nseries: {a: {}, b: {}}\n")
    assert read_settings(file).training["regressor"] == f"{tmp_path}/deep/mynets.py:small"
    overridden = read_settings(
        file, ["training.regressor=other.py:small", "series.b.training.regressor=c.py:d"]
    )
    assert overridden.training["regressor"] == f"{tmp_path}/other.py:small"
    assert overridden.series["b"]["training.regressor"] == f"{tmp_path}/c.py:d"
    assert (
        read_settings(file, ["training.regressor=nets.small:build"]).training["regressor"]
        == "nets.small:build"
    )


def test_a_study_notes_the_network_and_computes_in_float32(begun):
    written = yaml.safe_load((begun / "study" / "study.yaml").read_text())
    assert written["training"]["regressor"] == f"{begun}/mynets.py:Small"
    assert written["precision"] == "float32"


@pytest.mark.parametrize(
    ("text", "more", "says"),
    [
        (
            nets.CONVOLUTION.replace(", dropout=0.0", "").replace("(dropout)", "(0.0)"),
            [],
            "the arm `dropout` asks",
        ),
        (nets.CONVOLUTION.replace(".squeeze(1)", ""), [], "gives (2, 1) for scans (2, 1, 8, 8, 8), not (2,)"),
        (nets.CONVOLUTION, ["precision=bfloat16"], "belongs to the base regressor"),
        (nets.CONVOLUTION, ["training.regressor=mynets"], "`regressor: mynets` is impossible"),
    ],
)
def test_a_network_that_does_not_do_is_refused_before_anything_is_made(tmp_path, text, more, says):
    with pytest.raises(BadInput, match=re.escape(says)):
        prepare(wanted(tmp_path, text, *more), tmp_path / "study", silent())
    assert not (tmp_path / "study").exists()


def test_a_changed_network_is_refused_until_it_is_accepted(begun, tmp_path):
    study = Path(shutil.copytree(begun / "study", tmp_path / "study"))
    open_study(study, silent())
    (begun / "mynets.py").write_text(nets.CONVOLUTION + "# another\n")
    try:
        with pytest.raises(
            BadInput, match=r"the regressor `.*mynets.py:Small` has changed since the study began"
        ):
            open_study(study, silent())
        open_study(study, silent(), accept=["code"])
        open_study(study, silent())
    finally:
        (begun / "mynets.py").write_text(nets.CONVOLUTION)
    accepted = json.loads((study / "provenance.json").read_text())["accepted"]
    assert [change["what"] for change in accepted] == ["regressor"]
    with pytest.raises(BadInput, match="has changed since the study began"):
        open_study(study, silent())


def test_a_network_that_is_gone_is_named(begun, tmp_path):
    study = Path(shutil.copytree(begun / "study", tmp_path / "study"))
    (begun / "mynets.py").rename(begun / "elsewhere.py")
    try:
        with pytest.raises(BadInput, match=r"the regressor `.*mynets.py:Small` has no file here"):
            open_study(study, silent())
    finally:
        (begun / "elsewhere.py").rename(begun / "mynets.py")


def test_a_search_space_names_no_network(tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "scientific: {}\nnuisance: {}\nfixed: {regressor: 'mynets.py:small'}\n"
    )
    with pytest.raises(BadInput, match="belongs to a whole study"):
        read_space(tmp_path / "mine.yaml")


def test_a_recipe_from_elsewhere_runs_nothing_without_consent(tmp_path):
    marker = tmp_path / "ran"
    (tmp_path / "evil.py").write_text(f"open({str(marker)!r}, 'w')\n{nets.CONVOLUTION}")
    recipe = Recipe(
        config=TrialConfig(regressor=f"{tmp_path}/evil.py:Small"),
        preprocessing=Preprocessing(shape=(8, 8, 8)),
    )
    write_yaml(tmp_path / "config.yaml", recipe.model_dump(mode="json"))
    with pytest.raises(BadInput, match=r"to build it is to run that code.*--regressor"):
        read_recipe(tmp_path / "config.yaml")
    assert read_recipe(tmp_path / "config.yaml", "my.nets:small").config.regressor == "my.nets:small"
    with pytest.raises(BadInput, match=r"FILE\.py:NAME or MODULE:NAME"):
        read_recipe(tmp_path / "config.yaml", "mynets")
    assert not marker.exists()


def test_consent_is_not_asked_for_the_base_regressor(tmp_path):
    recipe = Recipe(config=TrialConfig(), preprocessing=Preprocessing(shape=(8, 8, 8)))
    write_yaml(tmp_path / "config.yaml", recipe.model_dump(mode="json"))
    assert read_recipe(tmp_path / "config.yaml") == recipe
    with pytest.raises(BadInput, match="Leave --regressor out"):
        read_recipe(tmp_path / "config.yaml", "mynets.py:small")
