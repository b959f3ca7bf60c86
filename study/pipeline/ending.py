"""What a study prints at its end: the table, what limits it, and where to look next."""

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis.coverage import coverage_sentence
from analysis.members import CELLS, member_folders
from analysis.paying import paying_table, read_cells, readable_map
from analysis.records import read_records
from analysis.side_by_side import readable_side_by_side, side_by_side
from analysis.summary import readable, still_improving, summarise
from analysis.tested import agreement_table
from analysis.words import NOTHING, opening_note
from study.record import StudyDirectory

PLAIN_WIDTH = 190
"""Columns of the table where the output is no terminal."""
SIMPLEST = "least regularised within 1 SE"


def print_ending(directory: StudyDirectory, console: Console) -> None:
    """The table of a study's arms as far as it has come; of a series, its studies side by side.

    Raises:
        BadInput: The study has no trials yet.
    """
    if directory.series.exists():
        if (directory.root / CELLS).exists():
            print_table(readable_map(paying_table(read_cells(directory.root))), console)
        else:
            print_table(readable_side_by_side(side_by_side(member_folders(directory.root))), console)
        console.print(f"report: {directory.report}", markup=False, highlight=False, soft_wrap=True)
        return
    records = read_records(directory.root)
    summary = summarise(records, agreement_table(records), still_improving(records))
    rows = readable(summary)
    print_table(rows.drop(columns=SIMPLEST), console)
    lines = [
        f"{arm}: least regularised within one standard error of the winner: {simplest}"
        for arm, simplest in zip(rows["arm"], rows[SIMPLEST], strict=True)
        if simplest[0] == "#"
    ]
    if directory.test_log.exists():
        lines.append(opening_note(records.openings))
    if pd.notna(scans := summary["test_scans"].max()):
        lines.append(coverage_sentence("icc", scans=int(scans)))
    for name, path in (("report", directory.report), ("exports", directory.export)):
        if path.exists():
            lines.append(f"{name}: {path}")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def print_table(rows: pd.DataFrame, console: Console) -> None:
    """A table of texts; row by row where the console is too narrow for it."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in rows.columns:
        table.add_column(column, overflow="fold")
    for values in rows.itertuples(index=False):
        table.add_row(*values)
    if console.is_terminal and console.measure(table).maximum > console.width:
        _print_rows(rows, console)
    else:
        console.print(table, markup=False, highlight=False)


def _print_rows(rows: pd.DataFrame, console: Console) -> None:
    """Each row as its first cell, and the other cells that say something beneath."""
    for first, *others in rows.itertuples(index=False):
        console.print(Text(first, style="bold"))
        block = Table(box=None, show_header=False, padding=(0, 1, 0, 2))
        for name, value in zip(rows.columns[1:], others, strict=True):
            if value not in ("", NOTHING):
                block.add_row(Text(name), Text(value))
        console.print(block)


def console_for_tables() -> Console:
    """Standard output, wide where nobody's window limits it."""
    console = Console()
    return console if console.is_terminal else Console(width=PLAIN_WIDTH)
