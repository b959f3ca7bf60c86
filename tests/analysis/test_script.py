"""The scripts of analysis: what they print, and how they refuse."""

import subprocess
import sys
from pathlib import Path

import pytest


def run(module: str, *arguments: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)], capture_output=True, text=True
    )


@pytest.mark.parametrize("module", ["analysis.findings", "analysis.report"])
def test_a_script_prints_the_files_it_wrote(module: str, finished: Path):
    done = run(module, finished)
    assert done.returncode == 0, done.stderr
    written = [Path(line) for line in done.stdout.splitlines()]
    assert written
    assert all(path.is_file() for path in written)


def test_the_baselines_are_printed(finished: Path):
    done = run("analysis.baselines", finished)
    assert done.returncode == 0, done.stderr
    assert "set_sum − base" in done.stdout
    assert "base − mean predictor" in done.stdout


def test_bad_input_is_one_line(tmp_path: Path):
    for arguments in ((), (tmp_path,)):
        done = run("analysis.report", *arguments)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1
