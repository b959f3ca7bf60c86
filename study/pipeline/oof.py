"""oof.parquet holds the out-of-fold predictions of two stages; each replaces its own rows."""

from typing import Literal

import pandas as pd

from study.record import StudyDirectory, read_frame, write_frame


def write_oof(directory: StudyDirectory, stage: Literal["search", "confirm"], rows: pd.DataFrame) -> None:
    """Write one stage's rows, keeping the other's."""
    frames = [rows]
    if directory.oof.exists():
        before = read_frame(directory.oof)
        frames.append(before[before["stage"] != stage])
    write_frame(directory.oof, pd.concat([frame for frame in frames if len(frame)], ignore_index=True))
