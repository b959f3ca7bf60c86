"""Tables of texts on a console, in whatever width it has."""

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis.words import NOTHING

PLAIN_WIDTH = 190
"""Columns of a table where the output is no terminal."""


def print_table(rows: pd.DataFrame, console: Console) -> None:
    """A table of texts; row by row where the console is too narrow for it."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in rows.columns:
        table.add_column(column, overflow="fold")
    for values in rows.itertuples(index=False):
        table.add_row(*map(Text, values))
    natural = console.measure(table, options=console.options.update(max_width=PLAIN_WIDTH)).maximum
    if console.is_terminal and natural > console.width:
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
