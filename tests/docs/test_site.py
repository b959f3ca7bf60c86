"""The site says what the code says, and loads nothing from anywhere; `make docs` builds it in the gate."""

import re
import subprocess
import sys
from types import SimpleNamespace

import nbformat
import pytest
from pages import ROOT

sys.path.insert(0, str(ROOT / "docs" / "extensions"))

import generated
import guides
import notebooks
from docstrings import _plain

from study.cli import app
from study.regression.config import TrialConfig
from study.settings import BudgetSettings, StudySettings


def test_the_reference_has_every_command_with_its_options_and_every_field():
    command = generated.command_page()
    for registered in app.registered_commands:
        assert f"## `setsum {registered.callback.__name__}`" in command
    assert "--gpus-per-trial" in command
    study_file, configuration = generated.study_file_page(), generated.configuration_page()
    assert all(f"| `{name}" in study_file for name in StudySettings.model_fields)
    assert all(f"| `budget.{name}`" in study_file for name in BudgetSettings.model_fields)
    assert all(f"| `{name}` |" in configuration for name in TrialConfig.model_fields)
    assert "| `budget.trials` | integer ≥ 2 | `6` |" in study_file
    assert "Set size: slots in a set." in configuration


def test_a_notebook_becomes_a_page_that_stands_in_the_contents(tmp_path):
    cell = nbformat.v4.new_code_cell("1 + 1", outputs=[nbformat.v4.new_output("stream", text="two\n")])
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A tour"), cell])
    nbformat.write(book, tmp_path / "tour.ipynb")
    site = SimpleNamespace(srcdir=tmp_path, config=SimpleNamespace(root_doc="index"))
    notebooks._convert(site)
    page = tmp_path / "_generated" / "notebooks" / "tour.md"
    assert "# A tour" in page.read_text()
    assert "two" in page.read_text()
    (tmp_path / "guide.md").write_text("# B guide\n")
    (tmp_path / "named.md").write_text("# Named\n")
    front = [f"named\n\n{guides.PLACE}\n"]
    guides._fill(site, "index", front)
    assert front == ["named\n\n_generated/notebooks/tour\nguide\n"]


def test_docstrings_keep_their_bars_stars_and_code():
    lines = ["The mean |f(B)| of `a|b` and *all*."]
    _plain(None, "function", "", None, None, lines)
    assert lines == [r"The mean \|f(B)\| of ``a|b`` and \*all\*."]


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_loads_nothing(tmp_path):
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", "docs", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        text = page.read_text()
        assert not re.findall(r'<(?:script|img|iframe)[^>]*\bsrc="(?:https?:)?//', text)
        assert not re.findall(r'<link[^>]*\bhref="(?:https?:)?//', text)
    assert "<msub>" in (tmp_path / "method.html").read_text()
