"""A reader of a page who does what it says, in a shell and one interpreter."""

import subprocess
import sys
from pathlib import Path

import pytest
from pages import Block

HERE = Path(__file__).parent


class Page:
    """A reader at work on one page, in a folder of their own."""

    def __init__(self, folder, environment):
        self.folder, self.environment = folder / "page", environment
        self.notes = folder
        self.folder.mkdir()
        self.python = None

    def run(self, block: Block):
        (self._shell if block.language == "sh" else self._interpreter)(block)

    def close(self):
        if self.python:
            self.python.communicate()

    def _shell(self, block):
        # A file, not `-c`: bash stays the parent of its commands, and completion asks which shell that is.
        script = self.notes / f"line_{block.line}.sh"
        script.write_text(block.text)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", script],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, f"line {block.line}:\n{block.text}\n{done.stdout[-4000:]}"

    def _interpreter(self, block):
        path, said = self.notes / f"line_{block.line}.py", []
        path.write_text(block.text)
        if self.python is None:
            self.python = subprocess.Popen(
                [sys.executable, HERE / "run_blocks.py"],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        self.python.stdin.write(f"{path}\n")
        self.python.stdin.flush()
        for line in self.python.stdout:
            said.append(line)
            if line.endswith(f"ran {path}\n"):
                return
        pytest.fail(f"line {block.line}:\n{block.text}\n{''.join(said)[-4000:]}")
