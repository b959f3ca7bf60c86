"""The study directory: where every file of a study lies, and how it is read and written.

Whole files are written atomically (temporary file, fsync, rename). The append-only test log
survives a torn last line. Nothing here knows torch or ray.
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from errno import EACCES, EEXIST, EISDIR, ENAMETOOLONG, ENOTDIR, EPERM, EROFS
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd
import yaml
from pyarrow import Table
from pyarrow.parquet import ParquetFile, ParquetWriter

from study.badinput import BadInput

FORMAT = 1
PART = ".part"
"""End of the hidden name under which a file is written before it appears."""

BATCH = 500_000
"""Rows of a table that are held at once, where a table may have any number."""

_REFUSED = (EACCES, EEXIST, EISDIR, ENAMETOOLONG, ENOTDIR, EPERM, EROFS)
"""What naming another place would mend; a full disk or a lost connection is another matter."""


@dataclass(frozen=True)
class StudyDirectory:
    """Paths of one study; `root` need not exist yet."""

    root: Path

    @property
    def settings(self) -> Path:
        return self.root / "study.yaml"

    @property
    def series(self) -> Path:
        """Of a series, in place of `settings`: its studies lie in folders beside it."""
        return self.root / "series.yaml"

    @property
    def split(self) -> Path:
        return self.root / "split.json"

    @property
    def provenance(self) -> Path:
        return self.root / "provenance.json"

    @property
    def journal(self) -> Path:
        return self.root / "optuna.journal"

    @property
    def sweeps(self) -> Path:
        return self.root / "sweeps"

    @property
    def confirm(self) -> Path:
        return self.root / "confirm"

    @property
    def refit(self) -> Path:
        return self.root / "refit"

    @property
    def cohort(self) -> Path:
        return self.root / "cohort"

    @property
    def oof(self) -> Path:
        return self.root / "oof.parquet"

    @property
    def trials(self) -> Path:
        return self.root / "trials.parquet"

    @property
    def curves(self) -> Path:
        return self.root / "curves.parquet"

    @property
    def confirmed(self) -> Path:
        return self.root / "confirmed.parquet"

    @property
    def predictions(self) -> Path:
        return self.root / "predictions.parquet"

    @property
    def worst(self) -> Path:
        return self.root / "worst.parquet"

    @property
    def test_log(self) -> Path:
        return self.root / "test_log.jsonl"

    @property
    def pseudonyms(self) -> Path:
        return self.root / "pseudonyms.csv"

    @property
    def findings(self) -> Path:
        return self.root / "findings"

    @property
    def report(self) -> Path:
        return self.root / "report.html"

    @property
    def export(self) -> Path:
        return self.root / "export"


@contextmanager
def atomic(path: Path, permissions: int = 0o644) -> Iterator[BinaryIO]:
    """A binary file that appears at `path` whole, or not at all; nobody else can open it before.

    Raises:
        BadInput: No file can be made there.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=PART, dir=path.parent)
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        raise BadInput(
            f"cannot be written ({error.strerror})", where=str(path), fix="Choose another place"
        ) from error
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(permissions)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def remove_parts(root: Path) -> None:
    """Remove what killed processes left half-written; only for the one process that writes there."""
    for part in root.rglob(f".*{PART}"):
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    with atomic(path) as stream:
        stream.write(text.encode())


def write_json(path: Path, content: object) -> None:
    write_text(path, json.dumps(content, indent=2, sort_keys=False) + "\n")


def read_json(path: Path) -> Any:  # noqa: ANN401
    """A JSON file of a study.

    Raises:
        BadInput: It is missing or damaged.
    """
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError) as error:
        raise BadInput(
            "is missing or damaged", where=str(path), fix="Restore it, or start a new study with --out"
        ) from error


def write_yaml(path: Path, content: Mapping[str, object]) -> None:
    write_text(path, yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True))


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """A DataFrame as Parquet."""
    with atomic(path) as stream:
        frame.to_parquet(stream, index=False)


@contextmanager
def growing_frame(path: Path) -> Iterator[Callable[[pd.DataFrame], None]]:
    """A Parquet file written frame by frame, of which few rows are in memory at once.

    Yields the function that takes the next frame; the first one with rows decides the types.
    """
    with atomic(path) as stream, ExitStack() as stack:
        waiting: list[pd.DataFrame] = []
        writers: list[ParquetWriter] = []
        rows = 0

        def write() -> None:
            filled = [frame for frame in waiting if len(frame)] or waiting
            table = Table.from_pandas(pd.concat(filled, ignore_index=True), preserve_index=False)
            if not writers:
                writers.append(stack.enter_context(ParquetWriter(stream, table.schema)))
            writers[0].write_table(table.cast(writers[0].schema))

        def add(frame: pd.DataFrame) -> None:
            nonlocal rows
            if rows == 0:
                # An empty frame's types are no types; it serves where there is no other.
                waiting.clear()
            waiting.append(frame)
            rows += len(frame)
            if rows >= BATCH:
                write()
                waiting.clear()
                rows = 0

        yield add
        if rows or (waiting and not writers):
            write()


def read_frame(path: Path, columns: Sequence[str] | None = None, **equal: object) -> pd.DataFrame:
    """A Parquet file of a study.

    Args:
        path: The file.
        columns: To read; None reads all.
        equal: Values that columns must have; other rows are passed over without being kept in memory.

    Raises:
        BadInput: The file does not exist: the stage that writes it has not run.
    """
    if not path.is_file():
        raise BadInput(
            f"{path.name} does not exist yet",
            where=str(path.parent),
            fix=f"Run the stages before it: setsum resume {path.parent}",
        )
    try:
        wanted = [(name, "==", value) for name, value in equal.items()]
        return pd.read_parquet(path, columns=list(columns) if columns else None, filters=wanted or None)
    except ValueError as error:
        raise BadInput(f"is damaged ({error})", where=str(path), fix="Restore it") from error


def read_distinct(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """The distinct rows of some columns, in their order; of a large file a part at a time.

    Raises:
        BadInput: The file is damaged.
    """
    found = pd.DataFrame(columns=[*columns])
    try:
        with ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=BATCH, columns=[*columns]):
                found = pd.concat([found, batch.to_pandas()] if len(found) else [batch.to_pandas()])
                found = found.drop_duplicates(ignore_index=True)
    except ValueError as error:
        raise BadInput(f"is damaged ({error})", where=str(path), fix="Restore it") from error
    return found


def append_line(path: Path, content: Mapping[str, object]) -> None:
    """Append one JSON line, on disk when this returns; a torn line before it is closed off."""
    torn = path.exists() and path.stat().st_size > 0 and path.read_bytes()[-1:] != b"\n"
    with path.open("ab") as stream:
        stream.write((b"\n" if torn else b"") + json.dumps(content).encode() + b"\n")
        stream.flush()
        os.fsync(stream.fileno())


def read_lines(path: Path) -> list[dict[str, Any]]:
    """All whole JSON lines of an append-only file; torn ones are passed over."""
    return [row for _, row in numbered_lines(path)]


def numbered_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The whole JSON lines of an append-only file one by one, each with the byte at which it begins."""
    if not path.exists():
        return
    begin = 0
    with path.open("rb") as stream:
        for line in stream:
            with suppress(json.JSONDecodeError):
                yield begin, json.loads(line.decode(errors="replace"))
            begin += len(line)


def line_at(path: Path, begin: int) -> dict[str, Any]:
    """The JSON line that begins at a byte, as `numbered_lines` gave it."""
    with path.open("rb") as stream:
        stream.seek(begin)
        row: dict[str, Any] = json.loads(stream.readline().decode(errors="replace"))
    return row
