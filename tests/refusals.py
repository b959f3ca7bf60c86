"""What a refusal must look like, whichever command refuses and whatever is wrong."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from study.cli import main

Refuse = Callable[..., str]


def contents(root: Path) -> dict[Path, tuple[int, int, int]]:
    """Everything below a folder by kind and size, files with the time they were written too."""
    found = {path: path.lstat() for path in root.rglob("*")}
    return {
        path: (state.st_mode, state.st_size, 0 if path.is_dir() else state.st_mtime_ns)
        for path, state in found.items()
    }


def _started(*_: object, **__: object) -> None:
    raise AssertionError("Ray was started")


@pytest.fixture
def refuse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Run a command that has to refuse: exit code 2, one line, nothing written; returns the line.

    It runs in `tmp_path`, so that default outputs would land there too.
    """

    def run(*arguments: object) -> str:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["setsum", *map(str, arguments)])
        monkeypatch.setattr("ray.init", _started)
        before = contents(tmp_path)
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capfd.readouterr()
        assert left.value.code == 2
        assert out == ""
        assert err.startswith("setsum: ")
        assert len(err.splitlines()) == 1
        assert err.strip().isprintable()
        assert "Traceback" not in err
        assert contents(tmp_path) == before
        return err.strip()

    return run
