"""The live view of a search or a confirmation on a terminal: a row an arm, and a few words beneath.

Whatever it shows comes from development scans. It only looks: the work tells each arm's state, and a
thread draws it twice a second, so that neither waits for the other.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from study.pipeline.usage import usage_reader
from study.sweep.interrupt import ASKED, announced_by

DRAWN_A_SECOND = 2
MIDDLE, WIDE = 60, 100
"""Columns of a terminal from which there is room for more than the essentials, and for everything."""

LOST = ("pruned", "failed")

State = Mapping[str, Any]
Show = Callable[[State], None]


@dataclass(kw_only=True)
class Row:
    """An arm on its way.

    Args:
        arm: Its name.
        total: Trials or trainings to end with; 0 where hours decide.
        reports: Of all of them.
        seconds: Wall-clock seconds that it has, where hours decide.
        state: What was last told: `running`, `done`, `pruned`, `failed`, `best` (or None),
            `configuration` (its best one in short), `reports`, `reports_total`, `presented`.
        first: The state that it began with in this process.
        began: When that was told.
        presented: Presentations of all networks in this process.
    """

    arm: str
    total: int
    reports: int
    seconds: float | None = None
    state: State = field(default_factory=dict)
    first: State = field(default_factory=dict)
    began: float = 0.0
    presented: float = 0.0

    def tell(self, state: State, now: float) -> None:
        """Take over a new state."""
        if not self.first:
            self.first = self.state = state
            self.began = now
        # A sweep's next run counts from zero again.
        self.presented += max(0.0, state["presented"] - self.state["presented"])
        self.state = state

    def count(self, how: str) -> int:
        """Trials that are `running`, `done`, `pruned` or `failed`."""
        return int(self.state.get(how, 0))

    @property
    def reports_done(self) -> int:
        """In this process."""
        return int(self.state.get("reports", 0) - self.first.get("reports", 0))

    @property
    def reports_left(self) -> int:
        """Until its end."""
        return int(self.state.get("reports_total", self.reports) - self.state.get("reports", 0))

    def seconds_left(self, now: float) -> float | None:
        """Until its end, as fast as it has gone so far; None while nobody can tell."""
        if self.seconds is not None:
            return max(0.0, self.seconds - (now - self.began if self.first else 0.0))
        if self.reports_done <= 0:
            return None
        return (now - self.began) / self.reports_done * self.reports_left


@contextmanager
def board(console: Console, name: str, rows: Sequence[Row]) -> Iterator[Show]:
    """Show the arms of a stage while it lasts; yields the function that takes the state of one."""
    by_arm, start, usage = {row.arm: row for row in rows}, time.monotonic(), usage_reader()
    ending: list[str] = []

    def picture() -> Group:
        now = time.monotonic()
        words = [*footer(name, rows, console.width, now, start), usage(), *ending[:1]]
        return Group(arms_table(rows, console.width, now), *(Text(line) for line in words if line))

    live = Live(get_renderable=picture, console=console, refresh_per_second=DRAWN_A_SECOND)
    with live, announced_by(lambda: ending.append(ASKED)):
        # Hidden, it would stay so after a process that was killed.
        console.show_cursor(True)
        yield lambda state: by_arm[state["arm"]].tell(state, time.monotonic())


def arms_table(rows: Sequence[Row], width: int, now: float) -> Table:
    """The arms as a table as wide as a terminal of so many columns bears."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), width=width - 1)
    headings = _headings(rows, width)
    table.add_column(
        "arm",
        no_wrap=True,
        overflow="ellipsis",
        min_width=8,
        max_width=max(8, width // 4),
        ratio=None if "best configuration" in headings else 1,
    )
    for heading in headings:
        if heading == "best configuration":
            table.add_column(heading, no_wrap=True, overflow="ellipsis", ratio=1)
        else:
            table.add_column(heading, no_wrap=True, overflow="ellipsis", justify="right")
    for row in rows:
        cells = _cells(row, now)
        table.add_row(Text(row.arm), *(cells[heading] for heading in headings))
    return table


def footer(name: str, rows: Sequence[Row], width: int, now: float, start: float) -> list[str]:
    """Where the stage stands as a whole: time, time left, presentations a second, and what a narrow table
    has no columns for."""
    lines = [f"{name}: {clock(now - start)}, ETA {_eta(rows, now, start)}"]
    if presented := sum(row.presented for row in rows):
        lines.append(f"{presented / (now - start):,.0f} presentations/s")
    if width >= MIDDLE:
        return [", ".join(lines)]
    lost = [f"{count} {how}" for how in LOST if (count := sum(row.count(how) for row in rows))]
    return [*lines, ", ".join(lost)]


def _eta(rows: Sequence[Row], now: float, start: float) -> str:
    left = [row.seconds_left(now) for row in rows if row.seconds is not None]
    counted = [row for row in rows if row.seconds is None]
    done = sum(row.reports_done for row in counted)
    if counted:
        remaining = sum(row.reports_left for row in counted)
        left.append((now - start) / done * remaining if done > 0 else None)
    known = [seconds for seconds in left if seconds is not None]
    return clock(sum(known)) if len(known) == len(left) else "?"


def clock(seconds: float) -> str:
    """Seconds as 0:00, 0:00:00 or days."""
    whole = round(seconds)
    days, hours, minutes = whole // 86400, whole % 86400 // 3600, whole % 3600 // 60
    if days:
        return f"{days}d {hours}h"
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def _headings(rows: Sequence[Row], width: int) -> list[str]:
    if width < MIDDLE:
        return ["done", "running", "best", "ETA"]
    lost = [how for how in LOST if any(row.count(how) for row in rows)]
    rate = ["pres./s"] if width >= WIDE else []
    return ["done", "running", *lost, "best", "best configuration", *rate, "ETA"]


def _cells(row: Row, now: float) -> dict[str, Text]:
    best, left, since = row.state.get("best"), row.seconds_left(now), now - row.began
    ended = row.count("done") + row.count("pruned") + row.count("failed")
    eta = "" if not row.state else "?" if left is None else clock(left)
    if row.state and not row.count("running") and row.reports_left <= 0 and not row.seconds:
        eta = "done"
    return {
        "done": Text(f"{ended}/{row.total}" if row.total else str(ended)),
        "running": Text(str(row.count("running") or "")),
        "pruned": Text(str(row.count("pruned") or "")),
        "failed": Text(str(row.count("failed") or ""), style="red"),
        "best": Text("" if best is None else f"{best:.4g}", style="green"),
        "best configuration": Text("" if best is None else str(row.state["configuration"])),
        "pres./s": Text(f"{row.presented / since:,.0f}" if row.presented and since > 0 else ""),
        "ETA": Text(eta),
    }
