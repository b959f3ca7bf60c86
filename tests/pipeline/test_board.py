"""The live view as it is drawn at several widths, and when lines or nothing stand in its place."""

import io
import os
import pty

import pytest
from rich.console import Console

from study.pipeline.board import Row, arms_table, clock, footer
from study.pipeline.progress import Progress
from study.pipeline.usage import cpu_usage, usage_reader

CONFIGURATION = "n=4 p=0.1 no-replacement lr=1.5e-3"


def state(arm, **changes):
    counts = {"running": 0, "done": 0, "pruned": 0, "failed": 0, "reports": 0, "reports_total": 40}
    return {"arm": arm, **counts, "best": None, "configuration": "", "presented": 0.0, **changes}


def rows():
    """One arm at half of its reports after 100 seconds, and one that has not begun."""
    base = Row(arm="base", total=8, reports=40)
    base.tell(state("base", reports=10, done=2), now=0.0)
    changes = {"running": 2, "done": 3, "pruned": 1, "reports": 25, "presented": 5000.0}
    base.tell(state("base", best=0.51234, configuration=CONFIGURATION, **changes), now=100.0)
    return [base, Row(arm="set_sum", total=8, reports=40)]


def drawn(width, arms):
    told = io.StringIO()
    Console(file=told, width=width).print(arms_table(arms, width, now=100.0))
    return told.getvalue().splitlines()


@pytest.mark.parametrize("width", [30, 40, 60, 80, 100, 160])
def test_it_is_never_wider_than_the_terminal_and_always_says_how_far_how_good_and_how_long(width):
    header, base, waiting = drawn(width, rows())
    assert max(map(len, (header, base, waiting))) < width
    # 15 reports in 100 s, 15 left.
    assert all(word in base for word in ("base", "4/8", "2", "0.5123", "1:40"))
    assert "0/8" in waiting
    assert "?" not in waiting


def test_a_wide_terminal_shows_the_configuration_and_the_rate_too():
    assert CONFIGURATION in drawn(80, rows())[1]
    assert "pruned" in drawn(80, rows())[0]
    assert "failed" not in drawn(80, rows())[0]
    header, base, _ = drawn(100, rows())
    assert "pres./s" in header
    assert " 50 " in base


def test_what_a_narrow_table_leaves_out_stands_beneath_it():
    narrow = footer("search", rows(), 40, now=100.0, start=0.0)
    assert narrow == ["search: 1:40, ETA 6:07", "50 presentations/s", "1 pruned"]
    assert footer("search", rows(), 80, now=100.0, start=0.0) == [
        "search: 1:40, ETA 6:07, 50 presentations/s"
    ]


def test_presentations_add_up_over_the_runs_of_a_sweep():
    row = Row(arm="base", total=8, reports=40)
    for presented in (0.0, 300.0, 700.0, 0.0, 50.0):
        row.tell(state("base", presented=presented), now=1.0)
    assert row.presented == 750.0


def test_where_hours_decide_they_are_the_time_left():
    row = Row(arm="base", total=0, reports=0, seconds=3600.0)
    assert row.seconds_left(0.0) == 3600.0
    row.tell(state("base", running=1), now=10.0)
    assert row.seconds_left(70.0) == 3540.0
    assert "/" not in drawn(80, [row])[1]


def test_times_are_as_short_as_they_can_be():
    assert [clock(seconds) for seconds in (0, 61, 3600, 90000)] == ["0:00", "1:01", "1:00:00", "1d 1h"]


@pytest.mark.parametrize(
    ("term", "quiet", "live"), [("xterm", False, True), ("dumb", False, False), ("xterm", True, False)]
)
def test_only_a_terminal_that_can_be_redrawn_gets_the_view(monkeypatch, term, quiet, live):
    monkeypatch.setenv("TERM", term)
    own, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream:
        progress = Progress(Console(file=stream), quiet=quiet)
        assert progress.live is live
        with progress.arms("search", rows()) as show:
            assert (show is not None) is live
    os.close(own)


def test_a_log_gets_lines_even_where_colours_are_forced(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    told = io.StringIO()
    progress = Progress(Console(file=told, width=80))
    with progress.arms("search", rows()) as show, progress.stage("sweep base", 4) as update:
        update(4, "best 0.5")
    assert show is None
    assert told.getvalue().startswith("sweep base: 4/4 in ")
    assert "\x1b[" not in told.getvalue().replace("\x1b[0m", "")


def test_quiet_says_nothing():
    told = io.StringIO()
    progress = Progress(Console(file=told), quiet=True)
    with progress.stage("phantom", 3) as update:
        update(3)
    progress.note("something to know")
    assert told.getvalue() == ""


def fake_driver(folder, text):
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{text}\n")
    tool.chmod(0o755)


def test_gpus_are_told_by_their_driver_and_cpus_where_there_is_none(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert usage_reader()() == cpu_usage() != ""
    fake_driver(tmp_path, "echo '45, 3174, 81559'; echo '100, 81559, 81559'")
    assert usage_reader()() == "GPU 0 45%, 3.1 of 80 GiB; GPU 1 100%, 79.6 of 80 GiB"
    fake_driver(tmp_path, "echo 'no devices were found'; exit 6")
    assert usage_reader()().startswith("load ")


def test_the_driver_is_asked_now_and_then_only(monkeypatch, tmp_path):
    now = [0.0]
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    fake_driver(tmp_path, f"echo asked >> {tmp_path}/asked; echo '1, 2, 3'")
    usage = usage_reader(lambda: now[0])
    for now[0] in (0.0, 1.0, 4.9, 5.1, 6.0):
        usage()
    assert (tmp_path / "asked").read_text().count("asked") == 2
