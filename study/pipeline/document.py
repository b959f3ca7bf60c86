"""A study's end table and its progress as JSON documents, whose keys docs/terminal.md lists."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.members import CELLS, member_folders
from study.record import FORMAT, StudyDirectory, read_lines


def ending_document(directory: StudyDirectory) -> dict[str, Any]:
    """What a study has come to: the end table's rows with plain numbers, and where to look next.

    Missing values are None. Of a series, the rows of its studies one after the other; of a map, its cells.

    Raises:
        BadInput: The study has no trials yet.
    """
    if not directory.series.exists():
        from analysis.summary import summary_table

        table = summary_table(directory.root).drop(columns=["test_openings", "test_opened_at"])
        openings = read_lines(directory.test_log)
        return {**_head(directory, "study"), "rows": rows_of(table), "test_openings": len(openings)}
    if (directory.root / CELLS).exists():
        from analysis.paying import paying_table, read_cells

        return {**_head(directory, "map"), "rows": rows_of(paying_table(read_cells(directory.root)))}
    from analysis.side_by_side import side_by_side

    table = side_by_side(member_folders(directory.root))
    return {**_head(directory, "series"), "rows": rows_of(table)}


def rows_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """A table's rows as plain values: whole numbers stay whole, what is missing or not finite is None."""
    rows: list[dict[str, Any]] = json.loads(
        table.convert_dtypes().to_json(orient="records", double_precision=15)
    )
    return rows


def paths_document(paths: Sequence[Path]) -> dict[str, Any]:
    """What a stage has written."""
    return {"format": FORMAT, "paths": [str(path) for path in paths]}


def _head(directory: StudyDirectory, kind: str) -> dict[str, Any]:
    places = {"report": directory.report, "exports": directory.export}
    return {
        "format": FORMAT,
        "kind": kind,
        "study": str(directory.root),
        **{name: str(path) if path.exists() else None for name, path in places.items()},
    }
