"""Progress of long work: a live view with an ETA on a terminal, a plain line now and then elsewhere."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from study.pipeline.board import MIDDLE, Row, Show, board

QUIET_SECONDS = 15.0
"""Least time between two plain lines of one stage."""

Update = Callable[..., None]
"""update(done, note="") says how much of the stage's total is done."""


class Progress:
    """Shows the stages of a study one after the other.

    Args:
        console: Where to show them; its being a terminal decides how.
        quiet: Show nothing at all.
    """

    def __init__(self, console: Console | None = None, *, quiet: bool = False) -> None:
        self.console, self.quiet = console or Console(stderr=True), quiet

    @property
    def live(self) -> bool:
        """Whether a view can be redrawn in place: on a terminal that can do so, whatever asks for colours."""
        return self.console.is_interactive and self.console.file.isatty() and not self.quiet

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Update]:
        """Show one stage while it lasts; yields the function that moves it."""
        if self.quiet:
            yield lambda done, note="": None
        elif self.live:
            with self._bar(name, total) as update:
                yield update
        else:
            with self._lines(name, total) as update:
                yield update

    @contextmanager
    def arms(self, name: str, rows: Sequence[Row]) -> Iterator[Show | None]:
        """Show a stage's arms side by side while it lasts; yields None where only lines can be shown."""
        if not self.live:
            yield None
            return
        with board(self.console, name, rows) as show:
            yield show

    def note(self, text: str) -> None:
        """One line that stays."""
        if not self.quiet:
            self._line(text)

    @contextmanager
    def _bar(self, name: str, total: int) -> Iterator[Update]:
        columns: list[ProgressColumn] = [
            TextColumn("{task.description:<18}"),
            MofNCompleteColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(elapsed_when_finished=False),
            TextColumn("{task.fields[note]}"),
        ]
        if self.console.width >= MIDDLE:
            columns[1:2] = [BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
        with Bars(*columns, console=self.console) as bars:
            # Hidden, it would stay so after a process that was killed.
            self.console.show_cursor(True)
            task = bars.add_task(name, total=total, note="")
            yield lambda done, note="": bars.update(task, completed=done, note=note)

    @contextmanager
    def _lines(self, name: str, total: int) -> Iterator[Update]:
        start = last = time.monotonic()
        latest = (0, "")

        def update(done: int, note: str = "") -> None:
            nonlocal last, latest
            latest, now = (done, note), time.monotonic()
            if now - last >= QUIET_SECONDS and done:
                last = now
                left = (now - start) / done * (total - done)
                self._line(f"{name}: {done}/{total}, {now - start:.0f} s, ETA {left:.0f} s {note}")

        yield update
        self._line(f"{name}: {latest[0]}/{total} in {time.monotonic() - start:.1f} s {latest[1]}")

    def _line(self, text: str) -> None:
        self.console.print(text.rstrip(), highlight=False, markup=False, soft_wrap=True)
