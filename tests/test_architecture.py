"""What review would otherwise have to remember."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*ROOT.glob("study/**/*.py"), *ROOT.glob("analysis/**/*.py")])


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_one_idea_in_under_300_lines_and_functions_fit_a_screen(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    tree = ast.parse(text)
    if tree.body:
        assert ast.get_docstring(tree), "say in plain words what the file is"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.body[0].lineno < 60, node.name


def test_no_drawer_for_leftovers():
    assert not [path for path in SOURCES if path.stem in ("utils", "util", "helpers", "common", "misc")]


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("study", ["torch", "ray", "optuna", "pandas", "numpy", "matplotlib"]),
        ("study.api.running", ["torch", "ray", "optuna", "matplotlib"]),
        ("study.cli", ["torch", "ray", "optuna", "pandas", "numpy", "matplotlib"]),
        ("study.regression.crossvalidation", ["ray", "optuna"]),
        ("study.pipeline.predict", ["ray", "optuna"]),
        ("study.pipeline.status", ["torch", "ray", "optuna", "scipy", "matplotlib", "plotly"]),
        ("analysis.report", ["torch", "ray", "optuna"]),
    ],
)
def test_heavy_packages_load_only_where_they_are_needed(module, absent):
    code = f"import sys, {module}; print(*[name for name in {absent} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.split() == []
