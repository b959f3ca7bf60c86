"""Names that look dangerous and are not: spaces, HTML, quotes, Unicode, what YAML and shells care about."""

import csv
import io
import json
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import yaml
from nifti import brain, save
from rich.console import Console

from study.cli import main
from study.pipeline.prepare import open_study, prepare
from study.pipeline.progress import Progress
from study.settings import read_settings

IDS = [
    "scan with spaces",
    "<script>alert('1')</script>".replace("/", "-"),
    "\"quoted\" & 'quoted'",
    "Søren-Ångström 漢字 🧠",
    "$x_1$ %s {0} [bold]",
    "=1+1",
    "- a: b #c",
    "null",
]


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Eight scans, in a folder and files that are named as oddly as the scans."""
    root = tmp_path / "my cohort: <b>1</b> #2 ü".replace("/", "-")
    rows = io.StringIO()
    table = csv.writer(rows)
    table.writerow(["id", "image", "label", "site"])
    for i, name in enumerate(IDS):
        save(root / f"{name}.nii.gz", brain(i))
        table.writerow([name, f"{name}.nii.gz", i, f"<i>{i % 2}"])
    (root / "manifest.csv").write_text(rows.getvalue(), encoding="utf-8")
    return root


def setsum(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["setsum", *map(str, arguments)])
    main()


def test_the_command_takes_the_folder_s_name_as_it_is(
    cohort: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    setsum(monkeypatch, "run", "--cohort", cohort, "--dry-run", "split.test=2", "arms=[base]")
    assert yaml.safe_load(capsys.readouterr().out)["cohort"]["path"] == str(cohort)


def test_inspect_shows_them(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    setsum(monkeypatch, "inspect", cohort, "--png", tmp_path / "a b.png")
    out = capsys.readouterr().out
    assert "8 scans in 8 groups" in out
    assert str(cohort) in out
    assert matplotlib.image.imread(tmp_path / "a b.png").std() > 0.05


def test_a_study_keeps_them_letter_by_letter(cohort: Path, tmp_path: Path) -> None:
    said = io.StringIO()
    progress = Progress(Console(file=said, width=200))
    fields = [f"cohort.path={json.dumps(str(cohort), ensure_ascii=False)}", "arms=[base]", "split.test=2"]
    settings = read_settings(None, [*fields, "validation.folds=2", "preprocessing.shape=[8,8,8]"])
    made = prepare(settings, tmp_path / "<out> 1", progress)
    assert sorted(made.arrays.ids) == sorted(IDS)
    split = json.loads((tmp_path / "<out> 1" / "split.json").read_text())
    assert sorted(split["development"] + split["test"]) == sorted(IDS)
    read = open_study(tmp_path / "<out> 1", progress)
    assert np.array_equal(read.test, made.test)


def test_an_absolute_path_in_a_manifest_may_lie_anywhere_even_behind_a_link(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    link = tmp_path / "link.nii.gz"
    link.symlink_to(cohort / f"{IDS[0]}.nii.gz")
    (tmp_path / "table.csv").write_text(f"id,image,label\na,{link},1\n")
    setsum(monkeypatch, "inspect", tmp_path / "table.csv", "--png", tmp_path / "x.png")
    assert "1 scans in 1 groups" in capsys.readouterr().out
