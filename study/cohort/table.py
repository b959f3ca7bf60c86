"""A table that a person wrote (CSV, TSV or Parquet), as rows of text that know where they stand."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import pandas as pd
import pyarrow as pa

from study.badinput import BadInput

MOST = 1e15
"""Largest label: the square of a sum of many still fits into the float32 of the loss."""


@dataclass(frozen=True)
class Row:
    """One row: its cells by column name, stripped; a missing cell is an empty string."""

    table: Path
    number: int
    cells: dict[str, str]

    @property
    def where(self) -> str:
        """File, line and first cell, for error messages."""
        return f"{self.table}, row {self.number} ({next(iter(self.cells.values()), '')!r})"

    def text(self, column: str) -> str:
        """A cell; empty where it is missing, or `n/a` as tables of BIDS write it."""
        found = self.cells.get(column, "")
        return "" if found == "n/a" else found

    def need(self, column: str) -> str:
        """A cell that may not be empty.

        Raises:
            BadInput: It is empty or `n/a`.
        """
        if not self.text(column):
            raise BadInput(f"`{column}` is missing", where=self.where, fix="Fill it in or remove the row")
        return self.text(column)

    def amount(self, column: str) -> float:
        """A cell that holds an additive quantity: a finite number of at least 0.

        Raises:
            BadInput: It does not.
        """
        text = self.need(column)
        try:
            # Python alone would take 1_000 for a number.
            value = float("nan" if "_" in text else text)
        except ValueError:
            value = float("nan")
        if not isfinite(value) or not 0 <= value <= MOST:
            limit = f" and at most {MOST:g}" if value > MOST else ""
            raise BadInput(
                f"`{column}` must be a finite number of at least 0{limit}, got {text!r}",
                where=self.where,
                fix="Correct it",
            )
        return value


def read_rows(path: Path, needed: Iterable[str]) -> list[Row]:
    """All rows of a table; the file's ending tells its kind.

    Raises:
        BadInput: The file cannot be read, lacks a needed column, repeats one, or has no rows.
    """
    try:
        records = _parquet(path) if path.suffix.lower() == ".parquet" else _delimited(path)
    except (OSError, ValueError, csv.Error, pa.ArrowException) as error:
        raise BadInput(
            f"cannot be read as a table ({error})", where=str(path), fix="Repair the file"
        ) from error
    columns, rows = records
    missing = [column for column in needed if column not in columns]
    if missing or len(set(columns)) < len(columns):
        broken = f"column `{missing[0]}` is missing" if missing else "a column name occurs twice"
        raise BadInput(
            f"{broken}; columns are {', '.join(columns) or 'none'}",
            where=str(path),
            fix="Correct the first line",
        )
    if not rows:
        raise BadInput("the table has no rows", where=str(path), fix="Add a row a scan")
    return [_row(path, number, columns, cells) for number, cells in rows]


def _delimited(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.reader(stream, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
        columns = [cell.strip() for cell in next(reader, [])]
        return columns, [(reader.line_num, cells) for cells in reader if any(cells)]


def _parquet(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    frame = pd.read_parquet(path)
    rows = [["" if pd.isna(cell) else str(cell) for cell in row] for row in frame.itertuples(index=False)]
    return [str(column) for column in frame.columns], list(enumerate(rows, start=1))


def _row(path: Path, number: int, columns: list[str], cells: list[str]) -> Row:
    if len(cells) > len(columns):
        raise BadInput(
            f"row {number} has {len(cells)} cells under {len(columns)} columns",
            where=str(path),
            fix="Remove or quote the stray separators",
        )
    padded = [cell.strip() for cell in cells] + [""] * (len(columns) - len(cells))
    return Row(path, number, dict(zip(columns, padded, strict=True)))
