"""Numbers in the place of scan ids, and the key that tells which is which, kept in a file of its own.

The numbers are drawn, not derived from ids or the study's seed, which a report shows: without the
key nobody can undo them. The key is kept, so that a scan has the same number in every report.
"""

import csv
import io
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.records import Records
from study.badinput import BadInput
from study.record import StudyDirectory, atomic, read_json

SHORTEST = 3
"""Characters from which an id is also looked for in running text: a shorter one is in every date and path."""

OWNER_ONLY = 0o600


@dataclass(frozen=True, kw_only=True)
class Pseudonyms:
    """`scan N` for each id, in tables, records and running text."""

    numbers: dict[str, str]
    text: Callable[[str], str]
    """Replaces ids in any text."""

    def table(self, table: pd.DataFrame) -> pd.DataFrame:
        """A copy with numbers in the column `scan` and in those that hold running text."""
        table = table.copy()
        if "scan" in table:
            table["scan"] = [self.numbers.get(str(scan)) or self.text(str(scan)) for scan in table["scan"]]
        for name in table.columns.intersection(["reason", "cohort", "site", "host"]):
            table[name] = table[name].map(lambda text: self.text(text) if isinstance(text, str) else text)
        return table

    def records(self, records: Records) -> Records:
        """The records with every id replaced: in columns, reasons, settings, provenance, names of cohorts."""
        return replace(
            records,
            trials=self.table(records.trials),
            oof=self.table(records.oof),
            development=self.table(records.development),
            predictions=self.table(records.predictions),
            worst=self.table(records.worst),
            openings=_walked(records.openings, self.text),
            settings=_walked(records.settings, self.text),
            provenance=_walked(records.provenance, self.text),
        )


def pseudonyms(records: Records) -> Pseudonyms:
    """Those of a study's scans; their key is `pseudonyms.csv` of its directory, for its owner to read.

    Raises:
        BadInput: The key is damaged.
    """
    place = StudyDirectory(records.root)
    numbers = _numbers(place.pseudonyms, _ids(records, place))
    return Pseudonyms(numbers=numbers, text=_renamer(numbers))


def _ids(records: Records, place: StudyDirectory) -> set[str]:
    """Every id that the study knows of, test scans that have not been opened among them."""
    tables = (records.oof, records.development, records.predictions, records.worst)
    ids = {str(scan) for table in tables for scan in table["scan"].unique()}
    split = read_json(place.split) if place.split.is_file() else {}
    return ids | {str(scan) for part in ("test", "development") for scan in split.get(part, [])}


def _numbers(key: Path, ids: Iterable[str]) -> dict[str, str]:
    """`scan N` by id; those that are new get numbers of their own, in an order drawn anew."""
    known = _read(key)
    new = sorted(set(ids) - set(known))
    secrets.SystemRandom().shuffle(new)
    first = 1 + max(known.values(), default=0)
    known |= {scan: number for number, scan in enumerate(new, start=first)}
    if new:
        lines = io.StringIO()
        csv.writer(lines).writerows([("scan", "number"), *known.items()])
        with atomic(key, OWNER_ONLY) as stream:
            stream.write(lines.getvalue().encode())
    return {scan: f"scan {number}" for scan, number in known.items()}


def _read(key: Path) -> dict[str, int]:
    if not key.is_file():
        return {}
    try:
        with key.open(newline="", encoding="utf-8") as stream:
            rows = [*csv.reader(stream)]
        known = {scan: int(number) for scan, number in rows[1:]}
        if rows[0] != ["scan", "number"] or len(set(known.values())) < len(rows) - 1:
            raise ValueError("no header, or a number that comes twice")
    except (ValueError, IndexError) as error:
        raise BadInput(
            f"is no key of pseudonyms ({error})",
            where=str(key),
            fix="Restore it, or remove it for new numbers",
        ) from error
    return known


def _renamer(numbers: Mapping[str, str]) -> Callable[[str], str]:
    """What replaces ids in text, whatever their case; the longest first, as one may hold another."""
    found = {scan.casefold(): number for scan, number in numbers.items() if len(scan) >= SHORTEST}
    if not found:
        return lambda text: text
    longest_first = sorted((scan for scan in numbers if len(scan) >= SHORTEST), key=len, reverse=True)
    pattern = re.compile("|".join(map(_bounded, longest_first)), re.IGNORECASE)
    return lambda text: pattern.sub(lambda match: found.get(match[0].casefold(), "scan"), text)


def _bounded(scan: str) -> str:
    """A pattern: an id of digits only is no part of a longer number, one of letters of no longer word."""
    if scan.isdigit():
        return rf"(?<!\d){re.escape(scan)}(?!\d)"
    if scan.isalpha():
        return rf"(?<![^\W\d_]){re.escape(scan)}(?![^\W\d_])"
    return re.escape(scan)


def _walked(content: Any, rename: Callable[[str], str]) -> Any:  # noqa: ANN401 - JSON and YAML hold anything
    """Content with every text in it renamed, keys among them."""
    if isinstance(content, str):
        return rename(content)
    if isinstance(content, Mapping):
        return {_walked(key, rename): _walked(value, rename) for key, value in content.items()}
    if isinstance(content, list):
        return [_walked(value, rename) for value in content]
    return content
