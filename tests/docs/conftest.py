"""What a reader of the pages has at hand."""

import os
import shlex
import sys
from pathlib import Path

import pytest
from pages import ROOT

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """What a reader's shell has: `setsum` and `python` of this environment."""
    tools, kept = tmp_path_factory.mktemp("bin"), tmp_path_factory.mktemp("kept")
    setsum = tools / "setsum"
    setsum.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {HERE / "setsum_once.py"} "$@"\n')
    setsum.chmod(0o755)
    path = f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return os.environ | {
        "PATH": path,
        "PYTHONPATH": str(ROOT),
        "KEPT_STUDIES": str(kept),
        "OMP_NUM_THREADS": "1",
        "MPLBACKEND": "agg",
        "HOME": str(tmp_path_factory.mktemp("home")),
    }
