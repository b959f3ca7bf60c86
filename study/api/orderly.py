"""Work asked for from Python: progress where it can be seen, and interruptions as Python knows them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from study.api.cell import CellProgress, in_notebook
from study.pipeline.progress import Progress
from study.record import StudyDirectory
from study.sweep.interrupt import INTERRUPTED, StoppedError


def suitable_progress() -> Progress:
    """In a notebook beneath its cell, else on standard error."""
    return CellProgress() if in_notebook() else Progress()


@contextmanager
def orderly(root: Path, again: str = "") -> Iterator[Progress]:
    """Yields the progress to show; an orderly end is a KeyboardInterrupt, which stops a notebook too.

    Args:
        root: The study directory.
        again: How to go on, where `resume` does not.

    Raises:
        KeyboardInterrupt: Ctrl-C, or a notebook's stop button; says how to go on.
    """
    try:
        yield suitable_progress()
    except StoppedError as stopped:
        if stopped.code != INTERRUPTED:
            raise
        begun = StudyDirectory(root).settings.exists() or StudyDirectory(root).series.exists()
        again = again or (f"load_study({str(root)!r}).resume()" if begun else "the same call")
        raise KeyboardInterrupt(f"{str(stopped).partition(';')[0]}; go on with: {again}") from None
