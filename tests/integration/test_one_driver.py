"""Two commands on one study directory, and Ctrl-C, through the command itself."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from study.pipeline.stages import extend, opened
from study.sweep.interrupt import InterruptedInOrderError, StoppedError

LONG = [
    "arms=[base]",
    "phantom.scans=24",
    "preprocessing.shape=[8, 8, 8]",
    "split.test=6",
    "validation.folds=2",
    "budget.trials=40",
    "budget.presentations=400000",
    "training.reports=2000",
    "training.scans_per_step=4",
    "precision=float32",
]
COMMAND = [sys.executable, "-m", "study.cli"]
ROOT = Path(__file__).parents[2]


def start(*arguments):
    return subprocess.Popen([*COMMAND, *map(str, arguments)], stderr=subprocess.PIPE, text=True, cwd=ROOT)


def refused(*arguments):
    done = subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def wait_for(path, process, pattern=None):
    end = time.monotonic() + 60
    while not (list(path.glob(pattern)) if pattern else path.exists()):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end, path
        time.sleep(0.02)


def test_the_second_is_refused_and_ctrl_c_says_how_to_go_on(tmp_path):
    out = tmp_path / "my study"
    first = start("run", "--out", out, *LONG)
    try:
        wait_for(out / "sweeps", first, "base/run-*/results.jsonl")
        for command in (["resume", out], ["export", out], ["extend", out, "--trials", 2]):
            lines = refused(*command).splitlines()
            assert f"in use by process {first.pid} on " in lines[-1]
            assert len(lines) == 1
        status = subprocess.run([*COMMAND, "status", str(out)], capture_output=True, text=True, cwd=ROOT)
        assert status.returncode == 0
        first.send_signal(signal.SIGINT)
        _, printed = first.communicate(timeout=120)
    finally:
        first.kill()
        first.communicate()
    assert first.returncode == 130, printed
    last = printed.splitlines()[-1]
    assert last == f"setsum: interrupted, everything so far is saved; go on with: setsum resume '{out}'"
    assert not (out / ".lock").exists()


def test_ctrl_c_before_there_is_a_study_to_resume_says_so(tmp_path):
    out = tmp_path / "study"
    process = start("run", "--out", out, *LONG, "phantom.scans=4000")
    try:
        wait_for(out / "phantom", process)
        process.send_signal(signal.SIGINT)
        _, printed = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130, printed
    assert printed.splitlines()[-1] == "setsum: stopped at once; go on with: the same command"


@pytest.mark.parametrize(
    ("error", "words"),
    [(KeyboardInterrupt, "stopped at once"), (InterruptedInOrderError, "everything so far is saved")],
)
def test_any_stage_says_how_to_go_on(tmp_path, monkeypatch, error, words):
    (tmp_path / "study.yaml").touch()
    monkeypatch.setattr("study.pipeline.stages.open_study", lambda *arguments: None)
    with pytest.raises(StoppedError, match=rf"{words}; go on with: setsum resume {tmp_path}$"):  # noqa: PT012, SIM117
        with opened(tmp_path, None):
            assert (tmp_path / ".lock").exists()
            raise error
    assert os.listdir(tmp_path) == ["study.yaml"]  # noqa: PTH208


def test_an_interrupted_extension_does_not_name_a_command_that_opens_the_test_set(tmp_path, monkeypatch):
    def stopped(*arguments):
        raise InterruptedInOrderError

    (tmp_path / "study.yaml").touch()
    monkeypatch.setattr("study.pipeline.stages.open_study", stopped)
    with pytest.raises(
        StoppedError, match=rf"go on with: setsum sweep {tmp_path} && setsum confirm {tmp_path}$"
    ):
        extend(tmp_path, 1, None)


def test_a_refused_run_leaves_no_folder_behind(tmp_path):
    assert "no built-in arm" in refused("run", "--out", tmp_path / "a" / "b", "arms=[basis]")
    assert "no study here" in refused("resume", tmp_path / "typo")
    assert list(tmp_path.iterdir()) == []
