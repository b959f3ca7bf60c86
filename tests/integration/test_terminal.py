"""A study in a real pseudo-terminal: the live view, Ctrl-C, a kill, and what goes where."""

import json
import os
import signal
import subprocess
import sys
import termios

import pytest
from screen import ROOT, start
from tiny_study import TINY_STUDY

TINY = [*TINY_STUDY, "confirm.top=1", "confirm.seeds=1"]
LONG = ["budget.presentations=40000", "training.reports=400"]
"""So that a search is still under way when it is interrupted, with a report every moment."""


def modes(session):
    """Echo, line editing and signals of the terminal."""
    return termios.tcgetattr(session.terminal)[:4]


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """A study from beginning to end, on a terminal of 80 columns, its JSON in a file."""
    out = tmp_path_factory.mktemp("watched")
    with (out / "table.json").open("wb") as table:
        session = start("run", "--out", out / "study", "--json", *TINY, width=80, stdout=table.fileno())
        assert session.end() == 0, session.screen.text
    return out, session


def test_the_view_shows_every_arm_from_its_first_trial_to_the_confirmation(watched):
    _, session = watched
    seen = "\n".join(session.pictures)
    assert "0/3" in seen
    end = session.screen.text
    search = end[: end.index("search: ")].splitlines()
    assert [line.split()[:2] for line in search[-2:]] == [["base", "3/3"], ["set_sum", "3/3"]]
    assert all(line.endswith("done") for line in search[-2:])
    assert "lr=" in search[-2]
    assert "presentations/s" in end
    assert "confirm: " in end
    assert "1/1" in end
    # Drawn over itself, not below: one table a stage.
    assert end.count("best configuration") == 2


def test_the_view_leaves_a_sane_terminal_and_uses_colours(watched):
    _, session = watched
    assert session.screen.cursor
    assert session.screen.colours


def test_the_json_on_standard_output_is_one_document_and_progress_is_not_in_it(watched):
    out, _ = watched
    document = json.loads((out / "table.json").read_text())
    assert (document["format"], document["kind"]) == (1, "study")
    assert document["study"] == str(out / "study")
    assert document["report"] == str(out / "study" / "report.html")
    rows = {row["arm"]: row for row in document["rows"]}
    assert {"base", "set_sum", "mean predictor"} <= set(rows)
    assert rows["base"]["seeds"] == 1
    assert rows["base"]["test_scans"] == 6
    assert isinstance(rows["set_sum"]["confirmed_score"], float)
    assert rows["mean predictor"]["trial"] is None


def test_status_is_told_as_json_too(watched):
    out, _ = watched
    done = setsum("status", out / "study", "--json")
    assert json.loads(done.stdout) == {
        "format": 1,
        "kind": "study",
        "study": str(out / "study"),
        "trials": {"base": {"completed": 3}, "set_sum": {"completed": 3}},
        "confirmed": 2,
        "test_openings": 1,
        "report": str(out / "study" / "report.html"),
        "exports": str(out / "study" / "export"),
    }


def test_quiet_prints_the_table_and_nothing_else(watched):
    out, _ = watched
    done = setsum("confirm", out / "study", "--quiet")
    assert done.stderr == ""
    assert "set_sum" in done.stdout
    wrong = subprocess.run(
        [sys.executable, "-m", "study.cli", "run", "--quiet", "arms=[basis]", "--out", str(out / "no")],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert wrong.returncode == 2
    assert "basis" in wrong.stderr


def test_the_table_at_the_end_is_printed_arm_by_arm_on_a_narrow_terminal(watched):
    out, _ = watched
    session = start("confirm", out / "study", width=40)
    assert session.end() == 0
    lines = session.screen.text.splitlines()
    block = lines[lines.index("set_sum") + 1 :]
    assert block[0].startswith("  best ")
    assert any(line.startswith("  test ICC [95%] ") for line in block)


def setsum(*arguments):
    command = [sys.executable, "-m", "study.cli", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.slow
def test_one_ctrl_c_is_answered_within_the_view_and_ends_in_order(tmp_path):
    session = start("run", "--out", tmp_path / "study", *TINY, *LONG, width=40, env={"NO_COLOR": "1"})
    before = modes(session)
    session.until(lambda text: "presentations/s" in text)
    os.write(session.terminal, b"\x03")
    session.until(lambda text: "ending: reports under way are" in text)
    assert session.end() == 130
    text = session.screen.text
    assert text.count("ending: ") == 1
    assert "everything so far is saved; go on with:" in text.replace("\n", "")
    assert text.count("arm ") == 1, text
    assert session.screen.cursor
    assert modes(session) == before
    assert session.screen.colours == set()


@pytest.mark.slow
def test_two_ctrl_c_stop_it_now(tmp_path):
    session = start("run", "--out", tmp_path / "study", *TINY, *LONG, width=80)
    before = modes(session)
    session.until(lambda text: "presentations/s" in text)
    os.write(session.terminal, b"\x03\x03")
    assert session.end() == 130
    assert "setsum resume" in session.screen.text.replace("\n", "")
    assert session.screen.cursor
    assert modes(session) == before


def test_a_kill_leaves_the_cursor_and_the_terminal_s_modes(tmp_path):
    session = start("phantom", tmp_path / "many", "--scans", 4000, width=80)
    before = modes(session)
    session.until(lambda text: "4000" in text)
    session.process.send_signal(signal.SIGKILL)
    assert session.end() == -signal.SIGKILL
    assert session.screen.cursor
    assert modes(session) == before


def test_a_dumb_terminal_gets_lines(tmp_path):
    session = start("phantom", tmp_path / "few", "--scans", 3, env={"TERM": "dumb"})
    assert session.end() == 0
    assert session.screen.text.splitlines()[0].startswith("phantom: 3/3 in ")
    assert "\x1b" not in session.screen.raw
