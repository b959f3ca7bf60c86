"""`python -m benchmarks.long_sweep STUDY TRIALS`: a search stage of many trials that train next to nothing.

STUDY.driver.jsonl gets a line after every so many trials: seconds since the start, and the driver's
memory in MB. Run again, it goes on where it was stopped.
"""

import gc
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.processes import resident_mb
from study.pipeline.prepare import prepare
from study.pipeline.progress import Progress, Update
from study.pipeline.search import search
from study.settings import StudySettings, read_settings

REPORTS, EVERY = 2, 50
LOG = "driver.jsonl"
FIELDS = (
    "arms=[set_sum]",
    "phantom.scans=60",
    "split.test=20",
    "preprocessing.shape=[6,6,6]",
    "validation.folds=2",
    "precision=float32",
    "budget.presentations=16",
    f"training={{reports: {REPORTS}, views: 1, flips: false, rotation: 0.0, translation: 0.0}}",
)


class Watch(Progress):
    """Progress that writes down what the driver's memory is instead of showing a bar."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self.log, self.start, self.last = log, time.monotonic(), -1

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Update]:
        yield self._note if name.startswith("sweep") else (lambda done, note="": None)

    def _note(self, done: int, note: str = "") -> None:
        trials = done // REPORTS
        if trials % EVERY or trials == self.last:
            return
        self.last = trials
        line = {"trials": trials, "seconds": time.monotonic() - self.start, "mb": resident_mb()}
        with self.log.open("a") as stream:
            stream.write(json.dumps(line) + "\n")


def settings_of(trials: int, *fields: str) -> StudySettings:
    """The study that is searched."""
    return read_settings(None, [*FIELDS, f"budget.trials={trials}", *fields])


def main(root: Path, trials: int) -> None:
    """Search, then collect."""
    root.mkdir(parents=True, exist_ok=True)
    watch = Watch(root.parent / f"{root.name}.{LOG}")
    prepared = prepare(settings_of(trials), root, watch)
    gc.collect()
    search(prepared, watch)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
