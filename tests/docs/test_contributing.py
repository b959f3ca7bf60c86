"""The changes that CONTRIBUTING shows are small, fit the code as it is, and pass its contract tests."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COPIED = ("analysis", "docs", "search_spaces", "study", "tests")
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
CHANGES = dict(re.findall(r"^## (.+?)$.*?^```diff\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))
CONTRACTS = {
    "An arm": "tests/pipeline/test_arms.py tests/sweep/test_spaces.py -k every or design",
    "A layout": "tests/cohort/test_scans.py -k every_layout",
    "A figure": "tests/analysis/test_new_figure.py -k new_figure",
}
NEW_FIGURE = """
from analysis.findings import drawings, tables
from analysis.records import read_records

def test_the_new_figure(finished):
    records = read_records(finished)
    new = next(drawing for drawing in drawings(records, tables(records)) if drawing.name == "bias")
    assert "opened" in new.caption
    assert new.image("svg").startswith(b"<?xml")
"""


def apply(change: str, root: Path) -> None:
    """Apply a diff whose hunks have no line numbers: each is found by its words, which stand once."""
    for path, hunks in re.findall(r"^\+\+\+ b/(\S+)\n((?:(?!---).*\n)*)", change, re.MULTILINE):
        for hunk in re.split(r"^@@\n", hunks, flags=re.MULTILINE)[1:]:
            lines = hunk.splitlines(keepends=True)
            before = "".join(line[1:] for line in lines if line[0] in " -")
            after = "".join(line[1:] for line in lines if line[0] in " +")
            file = root / path
            old = file.read_text() if before else ""
            assert old.count(before) == 1 if before else not file.exists()
            file.write_text(old.replace(before, after, 1) if before else after)


@pytest.mark.parametrize("what", CONTRACTS)
def test_a_change_is_small_and_keeps_its_contract(what, tmp_path):
    added = [line for line in CHANGES[what].splitlines() if line[:1] == "+" and line[1:].strip()]
    assert 5 < len([line for line in added if not line.startswith("+++")]) < 20
    for folder in COPIED:
        shutil.copytree(
            ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("_*build", "__pycache__")
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    apply(CHANGES[what], tmp_path)
    (tmp_path / "tests" / "analysis" / "test_new_figure.py").write_text(NEW_FIGURE)
    paths, _, chosen = CONTRACTS[what].partition(" -k ")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *paths.split(), "-k", chosen]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout[-4000:]
    assert re.search(r"[1-9]\d* passed", done.stdout)
