"""Where findings become files, and nowhere else: tables as CSV, figures as SVG and PNG, captions."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from analysis.drawing import Drawing
from study.record import atomic, write_text

CAPTIONS = "captions.md"


def write_all(
    place: Path,
    tables: Mapping[str, pd.DataFrame],
    drawings: Iterable[Drawing],
    only: str | None = None,
) -> list[Path]:
    """Write tables that are not empty, figures and their captions into a folder; returns the files written.

    Args:
        place: The folder.
        tables: By the stem of their files.
        drawings: The figures.
        only: The one table or figure to write, without captions; all by default.
    """
    written, captions = [], []
    for name, table in tables.items():
        if table.empty or only not in (None, name):
            continue
        written.append(place / f"{name}.csv")
        write_text(written[-1], table.to_csv(index=False))
    for drawing in drawings:
        captions.append(f"## {drawing.name}: {drawing.title}\n\n{drawing.caption}\n")
        if only not in (None, drawing.name):
            continue
        for kind in ("svg", "png"):
            written.append(place / f"{drawing.name}.{kind}")
            with atomic(written[-1]) as stream:
                stream.write(drawing.image(kind))
    if captions and only is None:
        written.append(place / CAPTIONS)
        write_text(written[-1], "\n".join(captions))
    return written
