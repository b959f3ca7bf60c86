"""Progress beneath a notebook's cell: one small output that is redrawn in place, and saved as it ended."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from io import StringIO
from typing import Any

from rich.console import Console

from study.pipeline.progress import Progress, Update

EVERY_S = 0.5
"""Least time between two drawings."""


def in_notebook() -> bool:
    """Whether a Jupyter kernel runs this; nothing is imported to find out."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None) is not None


class CellProgress(Progress):
    """Shows the stages of a study in one output, a line each."""

    def __init__(self) -> None:
        super().__init__(Console(file=StringIO()))
        self.lines: list[str] = []
        self.handle: Any = None

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Update]:
        """One line while the stage lasts and after; yields the function that moves it."""
        start = time.monotonic()
        place, drawn, latest = len(self.lines), start, (0, "")
        self.lines.append(f"{name}: begun")
        self._draw()

        def update(done: int, note: str = "") -> None:
            nonlocal drawn, latest
            latest, now = (done, note), time.monotonic()
            if now - drawn >= EVERY_S:
                drawn, taken = now, now - start
                left = f", ETA {taken / done * (total - done):.0f} s" if done else ""
                self.lines[place] = f"{name}: {done}/{total}, {taken:.0f} s{left} {note}".rstrip()
                self._draw((done, total))

        ended = ""
        try:
            yield update
            ended = f" in {time.monotonic() - start:.1f} s"
        finally:
            done, note = latest
            self.lines[place] = f"{name}: {done}/{total}{ended} {note}".rstrip()
            self._draw()

    def note(self, text: str) -> None:
        """One line that stays."""
        self.lines.append(text)
        self._draw()

    def _draw(self, bar: tuple[int, int] | None = None) -> None:
        from IPython.display import display

        text = "\n".join(self.lines)
        moving = f'<progress value="{bar[0]}" max="{bar[1]}"></progress>' if bar else ""
        content = {"text/plain": text, "text/html": f"<pre>{escape(text)}</pre>{moving}"}
        if self.handle is None:
            self.handle = display(content, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self.handle.update(content, raw=True)
