"""A study that is resumed is the study that began, or it is refused by name."""

import json
import shutil
from io import StringIO
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from rich.console import Console

from study.badinput import BadInput
from study.pipeline import unchanged
from study.pipeline.prepare import open_study, prepare
from study.pipeline.progress import Progress
from study.settings import read_settings

SMALL = [
    "preprocessing.shape=[8,8,8]",
    "phantom.scans=24",
    "split.test=6",
    "budget.presentations=16",
    "training.reports=2",
    "precision=float32",
]


def silent() -> Progress:
    return Progress(Console(file=StringIO()))


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("begun")
    space = folder / "mine.yaml"
    space.write_text("scientific: {n: {choice: [1, 2], default: 1}}\nnuisance: {}\nfixed: {}\n")
    prepare(read_settings(None, [*SMALL, f"arms=[base, {space}]"]), folder / "study", silent())
    return folder


@pytest.fixture
def study(begun: Path, tmp_path: Path) -> Path:
    """A copy of the study; the phantom and the space file stay where they are."""
    return Path(shutil.copytree(begun / "study", tmp_path / "study"))


def test_an_unchanged_study_opens_wherever_it_lies(study: Path):
    open_study(study, silent())


def test_a_changed_split_is_refused_before_it_is_used(study: Path):
    split = json.loads((study / "split.json").read_text())
    split["test"][0] = "nobody"
    (study / "split.json").write_text(json.dumps(split))
    with pytest.raises(BadInput, match="the split has changed since the study began"):
        open_study(study, silent())


def test_a_changed_cohort_is_refused(study: Path, begun: Path):
    image = next((begun / "study" / "phantom").rglob("FLAIR.nii.gz"))
    before = image.read_bytes()
    found = nib.load(image)
    nib.save(nib.Nifti1Image(np.asarray(found.dataobj) + np.int16(1), found.affine), image)
    try:
        with pytest.raises(BadInput, match="the cohort has changed since the study began"):
            open_study(study, silent())
    finally:
        image.write_bytes(before)


def test_a_changed_space_is_refused_by_its_arm(study: Path, begun: Path):
    space = begun / "mine.yaml"
    before = space.read_text()
    space.write_text(before.replace("[1, 2]", "[1, 2, 3]"))
    try:
        with pytest.raises(BadInput, match="the search space of the arm `mine` has changed"):
            open_study(study, silent())
    finally:
        space.write_text(before)


def test_changed_code_is_refused_until_it_is_accepted_and_that_is_recorded(
    study: Path, monkeypatch: pytest.MonkeyPatch
):
    old = unchanged.code_digest()
    monkeypatch.setattr(unchanged, "code_digest", lambda: "f" * 64)
    with pytest.raises(BadInput, match=r"the code has changed .*--accept-change code"):
        open_study(study, silent())
    open_study(study, silent(), accept=["code"])
    record = json.loads((study / "provenance.json").read_text())["accepted"]
    assert [(change["what"], change["from"], change["to"]) for change in record] == [("code", old, "f" * 64)]
    open_study(study, silent())


def test_only_code_can_be_accepted(study: Path):
    with pytest.raises(BadInput, match="`split` is no change that can be accepted"):
        open_study(study, silent(), accept=["split"])
