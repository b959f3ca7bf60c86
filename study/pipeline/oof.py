"""oof.parquet holds the out-of-fold predictions of two stages; each replaces its own rows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pandas as pd

from study.record import StudyDirectory, growing_frame, read_frame

OTHER = {"search": "confirm", "confirm": "search"}


@contextmanager
def replaced_oof(directory: StudyDirectory, stage: str) -> Iterator[Callable[[pd.DataFrame], None]]:
    """Write one stage's rows, frame by frame, keeping the other's; yields the function that takes them.

    Args:
        directory: Of the study.
        stage: `search` or `confirm`.
    """
    with growing_frame(directory.oof) as add:
        yield add
        if directory.oof.exists():
            add(read_frame(directory.oof, stage=OTHER[stage]))
