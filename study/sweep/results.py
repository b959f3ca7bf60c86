"""What the runs of an arm recorded, read back by trial; in memory are places in files, not results."""

from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from study.record import line_at, numbered_lines

RESULTS = "results.jsonl"
Row = dict[str, Any]
Place = tuple[float, Path, int]
"""Number of a report (infinity for a line without one), file, and byte at which its line begins."""


class Results(Mapping[int, list[Row]]):
    """All recorded lines of an arm by trial number, in the order of numbers and of reports.

    Where a later run repeats a report, the later line stands; lines without a report come last.

    Args:
        sweep: Directory of the arm.
    """

    def __init__(self, sweep: Path) -> None:
        found: dict[int, dict[float, Place]] = {}
        for run in sorted(sweep.glob("run-*")):
            for begin, row in numbered_lines(run / RESULTS):
                if "trial" in row:
                    report = row.get("report", float("inf"))
                    found.setdefault(row["trial"], {})[report] = (report, run / RESULTS, begin)
        self._places = {number: sorted(places.values()) for number, places in sorted(found.items())}

    def __getitem__(self, number: int) -> list[Row]:
        return [line_at(path, begin) for _, path, begin in self._places[number]]

    def __iter__(self) -> Iterator[int]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def seconds_used(sweep: Path) -> float:
    """Wall-clock seconds that an arm's runs have worked so far; of a killed one, up to its last result."""
    last = (deque(numbered_lines(run / RESULTS), maxlen=1) for run in sweep.glob("run-*"))
    return sum(float(row["clock"]) for lines in last for _, row in lines)
