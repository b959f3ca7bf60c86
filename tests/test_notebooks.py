"""The notebooks in docs/: they run as they stand, and what is stored in them is small and whole."""

import json
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

DOCS = Path(__file__).parents[1] / "docs"
NOTEBOOKS = ("quick_tour", "own_data")


def outputs_of(notebook: nbformat.NotebookNode) -> list[list[nbformat.NotebookNode]]:
    return [cell["outputs"] for cell in notebook.cells if cell["cell_type"] == "code"]


def read(name: str) -> nbformat.NotebookNode:
    return nbformat.read(DOCS / f"{name}.ipynb", as_version=4)


def test_there_are_no_others():
    assert {path.stem for path in DOCS.glob("*.ipynb")} == set(NOTEBOOKS)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs(name, tmp_path):
    notebook = read(name)
    for cell in notebook.cells:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute()
    stored, now = outputs_of(read(name)), outputs_of(notebook)
    for kept, made in zip(stored, now, strict=True):
        assert [_kinds(output) for output in made] == [_kinds(output) for output in kept]
    (progress,) = [outputs[0] for outputs in now if "predict test: " in json.dumps(outputs)]
    # A line a stage, however often it was redrawn.
    assert len(progress["data"]["text/plain"].splitlines()) < 12


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_stored_outputs_are_small_and_without_errors(name):
    notebook = read(name)
    nbformat.validate(notebook)
    assert (DOCS / f"{name}.ipynb").stat().st_size < 200_000
    assert all(outputs_of(notebook)), "every cell of code shows something"
    for output in (output for outputs in outputs_of(notebook) for output in outputs):
        assert output["output_type"] != "error"
        assert output.get("name") != "stderr"
        assert str(Path.home()) not in json.dumps(output)
        assert "/tmp/" not in json.dumps(output)


def _kinds(output: nbformat.NotebookNode) -> tuple[str, list[str]]:
    return output["output_type"], sorted(output.get("data", {}))
