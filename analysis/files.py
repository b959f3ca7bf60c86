"""Where findings become files: tables as CSV, figures as SVG and PNG, and nowhere else."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from analysis.drawing import Drawing
from study.record import atomic, write_text


def write_all(place: Path, tables: Mapping[str, pd.DataFrame], drawings: Iterable[Drawing]) -> list[Path]:
    """Write tables that are not empty, and figures, into a folder; returns the files written."""
    written = []
    for name, table in tables.items():
        if table.empty:
            continue
        written.append(place / f"{name}.csv")
        write_text(written[-1], table.to_csv(index=False))
    for drawing in drawings:
        for kind in ("svg", "png"):
            written.append(place / f"{drawing.name}.{kind}")
            with atomic(written[-1]) as stream:
                stream.write(drawing.image(kind))
    return written
