"""A command run in a real pseudo-terminal, and what its screen shows: a small part of a terminal."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
PATIENCE_S = 600
"""After which a command counts as hung; the machine may be busy."""
CODES = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|\r|\n|\x1b\]8;[^\x1b]*\x1b\\|.", re.DOTALL)


@dataclass
class Screen:
    """Lines as a terminal of this width would show them, and whether its cursor can be seen."""

    width: int
    lines: list[str] = field(default_factory=lambda: [""])
    row: int = 0
    column: int = 0
    cursor: bool = True
    colours: set[str] = field(default_factory=set)
    raw: str = ""

    def feed(self, text: str) -> None:
        self.raw += text
        for match in CODES.finditer(text):
            self._one(match)

    def _one(self, match: re.Match[str]) -> None:
        argument, code, text = match[1], match[2], match[0]
        if code == "A":
            self.row = max(0, self.row - int(argument or 1))
        elif code == "K":
            self.lines[self.row] = "" if argument == "2" else self.lines[self.row][: self.column]
        elif code in ("h", "l") and argument == "?25":
            self.cursor = code == "h"
        elif code == "m":
            self.colours.update(set((argument or "0").split(";")) - {"0", "1", "2", "3"})
        elif code or text.startswith("\x1b"):
            pass
        elif text == "\r":
            self.column = 0
        elif text == "\n":
            self.row += 1
            self.lines += [""] * (self.row + 1 - len(self.lines))
        else:
            self._put(text)

    def _put(self, letter: str) -> None:
        if self.column == self.width:
            self._one(CODES.match("\r"))
            self._one(CODES.match("\n"))
        line = self.lines[self.row].ljust(self.column)
        self.lines[self.row] = line[: self.column] + letter + line[self.column + 1 :]
        self.column += 1

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines).rstrip()


@dataclass
class Session:
    """The command's process, its screen as it stands, and every different picture the screen has shown."""

    process: subprocess.Popen[bytes]
    terminal: int
    screen: Screen
    pictures: list[str] = field(default_factory=list)
    deadline: float = field(default_factory=lambda: time.monotonic() + PATIENCE_S)

    def until(self, seen: Callable[[str], bool]) -> str:
        """Read on until the screen shows something; the picture that does."""
        while not seen(self.screen.text):
            assert self.read(), f"it ended: {self.screen.text}"
        return self.screen.text

    def read(self) -> bool:
        """What has come since; False once the terminal is closed."""
        if time.monotonic() > self.deadline:
            self.process.kill()
            raise TimeoutError(self.screen.text)
        if not select.select([self.terminal], [], [], 0.2)[0]:
            return True
        try:
            told = os.read(self.terminal, 65536)
        except OSError:
            return False
        self.screen.feed(told.decode(errors="replace"))
        if self.screen.text not in self.pictures[-1:]:
            self.pictures.append(self.screen.text)
        return bool(told)

    def end(self) -> int:
        """Wait for the command; its exit code."""
        while self.read():
            pass
        return self.process.wait(PATIENCE_S)


def start(
    *arguments: object, width: int = 80, env: Mapping[str, str] | None = None, stdout: int | None = None
) -> Session:
    """`setsum` with standard error, and by default standard output, on a new terminal of its own."""
    own, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    surroundings = {
        name: value
        for name, value in os.environ.items()
        if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "study.cli", *map(str, arguments)],
        stdin=theirs,
        stdout=theirs if stdout is None else stdout,
        stderr=theirs,
        cwd=ROOT,
        env={**surroundings, "TERM": "xterm-256color", **(env or {})},
        start_new_session=True,
        # Its controlling terminal: Ctrl-C then goes to whatever runs there.
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    return Session(process, own, Screen(width))
