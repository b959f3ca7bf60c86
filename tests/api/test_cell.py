"""Progress in a notebook: one output, redrawn in place, and no more of it the longer a study takes."""

import sys
from types import SimpleNamespace

import pytest
from IPython import display

from study.api import cell
from study.api.cell import CellProgress, in_notebook


@pytest.fixture
def shown(monkeypatch) -> list[list[dict[str, str]]]:
    """The outputs of a cell, each with what it has held one after the other."""
    outputs: list[list[dict[str, str]]] = []

    def show(content, *, raw, display_id):
        assert raw
        assert display_id
        outputs.append([content])
        return SimpleNamespace(update=lambda content, *, raw: outputs[-1].append(content))

    monkeypatch.setattr(display, "display", show)
    return outputs


def test_all_stages_share_one_output(shown, monkeypatch):
    clock = iter(range(100000))
    monkeypatch.setattr(cell.time, "monotonic", lambda: next(clock))
    progress = CellProgress()
    progress.note("warning: <b>few</b> scans")
    for name in ("sweep base", "confirm"):
        with progress.stage(name, 4) as update:
            for done in range(1, 5):
                update(done, "best 3.2")
    (contents,) = shown
    assert "<progress value=" in contents[3]["text/html"]
    assert "sweep base: 1/4, 1 s, ETA 3 s best 3.2" in contents[2]["text/plain"]
    assert len(contents[-1]["text/plain"].splitlines()) == 3
    assert "sweep base: 4/4 in" in contents[-1]["text/plain"]
    assert "<progress" not in contents[-1]["text/html"]
    assert "&lt;b&gt;few&lt;/b&gt;" in contents[-1]["text/html"]


def test_it_is_not_redrawn_at_every_report(shown):
    progress = CellProgress()
    with progress.stage("sweep base", 10000) as update:
        for done in range(10000):
            update(done)
    assert len(shown[0]) < 100


def test_a_stage_that_fails_says_how_far_it_came(shown):
    progress = CellProgress()
    with pytest.raises(ZeroDivisionError), progress.stage("sweep base", 4) as update:
        update(1 / (update(1) or 0))
    assert shown[0][-1]["text/plain"] == "sweep base: 1/4"


def test_only_a_kernel_is_a_notebook(monkeypatch):
    assert not in_notebook()
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert in_notebook()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert not in_notebook()
