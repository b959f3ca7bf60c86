"""A preprocessed cohort on disk: one memory-mapped array file and a JSON of everything beside it.

Built once, scan by scan in parallel, and opened by every trial and process without copying. The
JSON is written last: where it lies, the array file is whole.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from study.badinput import BadInput
from study.cohort.fingerprint import fingerprint
from study.cohort.parallel import preprocessed
from study.cohort.preprocess import Preprocessing
from study.cohort.scan import Cohort
from study.record import atomic, write_json

FORMAT = 1
IMAGES, _RECORD = "images.npy", "cohort.json"
FILES = (IMAGES, _RECORD)
"""All that `open_arrays` needs."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CohortArrays:
    """A cohort ready for training; M scans, in the cohort's order."""

    directory: Path
    images_MDHW: np.ndarray
    """Read-only memory map."""
    ids: tuple[str, ...]
    labels: np.ndarray
    """float64 (M,), counted before any crop."""
    sites: tuple[str, ...]
    groups: tuple[str, ...]
    truths: np.ndarray
    """float64 (M,), nan where unknown."""
    affines: np.ndarray
    """float64 (M, 4, 4), voxel to world of the preprocessed grid."""
    lesion_share_lost: np.ndarray
    """float64 (M,) in [0, 1]; nan without a lesion mask or without lesions."""
    shapes: np.ndarray
    """float64 (M, 3), voxels of the scans as they were read; nan in arrays built before it was kept."""
    spacings: np.ndarray
    """float64 (M, 3), in mm, of the scans as they were read; nan likewise."""
    fingerprint: str
    preprocessing: Preprocessing
    unit: str
    layout: str
    source: str


class _Record(BaseModel):
    """What cohort.json holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    fingerprint: str
    source: str
    layout: str
    unit: str
    preprocessing: Preprocessing
    ids: tuple[str, ...]
    labels: tuple[float, ...]
    sites: tuple[str, ...]
    groups: tuple[str, ...]
    truths: tuple[float | None, ...]
    lesion_share_lost: tuple[float | None, ...]
    affines: tuple[tuple[tuple[float, ...], ...], ...]
    shapes: tuple[tuple[float, float, float], ...] = ()
    spacings: tuple[tuple[float, float, float], ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        columns = (self.labels, self.sites, self.groups, self.truths, self.lesion_share_lost, self.affines)
        later = [column for column in (self.shapes, self.spacings) if column]
        if not self.ids or any(len(column) != len(self.ids) for column in (*columns, *later)):
            raise ValueError("columns differ in length or are empty")
        if np.shape(self.affines)[1:] != (4, 4):
            raise ValueError("affines must be 4 by 4")
        return self


class _Beside(NamedTuple):
    """What is known of M scans beside their images."""

    lost: np.ndarray
    affines: np.ndarray
    shapes: np.ndarray
    spacings: np.ndarray


def build_arrays(
    cohort: Cohort,
    spec: Preprocessing,
    directory: Path,
    *,
    expected: str | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> CohortArrays:
    """Preprocess every scan into `directory`, or reuse what lies there when its fingerprint is the same.

    Args:
        cohort: Scans to read.
        spec: What to do to them.
        directory: Gets `images.npy` and `cohort.json`, both whole or not at all.
        expected: Fingerprint that the cohort must have, if it was read before.
        workers: Threads; None takes one a core.
        progress: Called with scans done and scans in all.

    Raises:
        BadInput: A scan cannot be read or preprocessed, the cohort is not the expected one, or the
            disk is full.
    """
    total, tell = len(cohort.scans), progress or (lambda done, total: None)
    digest = fingerprint(cohort, spec)
    if expected not in (None, digest):
        raise BadInput(
            f"the cohort has changed since the study began (fingerprint {str(expected)[:12]}, "
            f"now {digest[:12]})",
            where=str(cohort.root),
            fix="Restore the scans and labels, or start a new study with --out",
        )
    beside = _intact(directory, digest) or _build_images(cohort, spec, directory, workers, tell)
    write_json(directory / _RECORD, _record(cohort, spec, digest, beside).model_dump(mode="json"))
    tell(total, total)
    return open_arrays(directory)


def open_arrays(directory: Path) -> CohortArrays:
    """Open what `build_arrays` wrote.

    Raises:
        BadInput: It is missing, truncated, damaged, or of another format.
    """
    record = _read_record(directory)
    images_MDHW = _map_images(directory)
    expected = (len(record.ids), *record.preprocessing.shape)
    if images_MDHW.shape != expected or images_MDHW.dtype != record.preprocessing.dtype:
        raise BadInput(
            f"holds {images_MDHW.dtype} {images_MDHW.shape}, "
            f"{_RECORD} says {record.preprocessing.dtype} {expected}",
            where=str(directory / IMAGES),
            fix=_REBUILD,
        )
    return CohortArrays(
        directory=directory,
        images_MDHW=images_MDHW,
        ids=record.ids,
        labels=_column(record.labels),
        sites=record.sites,
        groups=record.groups,
        truths=_column(record.truths),
        affines=_column(record.affines),
        lesion_share_lost=_column(record.lesion_share_lost),
        shapes=_column(record.shapes or np.full((len(record.ids), 3), np.nan)),
        spacings=_column(record.spacings or np.full((len(record.ids), 3), np.nan)),
        fingerprint=record.fingerprint,
        preprocessing=record.preprocessing,
        unit=record.unit,
        layout=record.layout,
        source=record.source,
    )


_REBUILD = "Delete the folder and build the cohort again"


def _intact(directory: Path, digest: str) -> _Beside | None:
    """What lies beside the arrays already there, if they are whole and of this fingerprint."""
    try:
        arrays = open_arrays(directory)
    except BadInput:
        return None
    if arrays.fingerprint != digest or np.isnan(arrays.shapes).any():
        return None
    return _Beside(arrays.lesion_share_lost, arrays.affines, arrays.shapes, arrays.spacings)


def _build_images(
    cohort: Cohort,
    spec: Preprocessing,
    directory: Path,
    workers: int | None,
    tell: Callable[[int, int], None],
) -> _Beside:
    """Write images.npy, one scan after the other."""
    total, rows = len(cohort.scans), []
    header = {"descr": np.dtype(spec.dtype).str, "fortran_order": False, "shape": (total, *spec.shape)}
    for leftover in directory.glob(f".{IMAGES}.*"):
        leftover.unlink()
    (directory / _RECORD).unlink(missing_ok=True)
    try:
        with atomic(directory / IMAGES) as stream:
            np.lib.format.write_array_header_1_0(stream, header)
            for done, (image_DHW, *row) in enumerate(preprocessed(cohort.scans, spec, workers), 1):
                stream.write(image_DHW.data)
                rows.append(row)
                tell(done, total)
    except OSError as error:
        size = total * math.prod(spec.shape) * np.dtype(spec.dtype).itemsize
        raise BadInput(
            f"the preprocessed cohort of {size / 1e6:.0f} MB cannot be written ({error.strerror})",
            where=str(directory),
            fix="Free space, or choose another folder or a smaller `shape`",
        ) from error
    return _Beside(*(np.array(column) for column in zip(*rows, strict=True)))


def _record(cohort: Cohort, spec: Preprocessing, digest: str, beside: _Beside) -> _Record:
    scans = cohort.scans
    return _Record(
        format=FORMAT,
        fingerprint=digest,
        source=str(cohort.root),
        layout=cohort.layout,
        unit=cohort.unit,
        preprocessing=spec,
        ids=tuple(scan.id for scan in scans),
        labels=tuple(scan.label for scan in scans),
        sites=tuple(scan.site for scan in scans),
        groups=tuple(scan.group for scan in scans),
        truths=tuple(scan.truth for scan in scans),
        lesion_share_lost=tuple(None if math.isnan(share) else share for share in beside.lost.tolist()),
        affines=beside.affines.tolist(),
        shapes=beside.shapes.tolist(),
        spacings=beside.spacings.tolist(),
    )


def _read_record(directory: Path) -> _Record:
    path = directory / _RECORD
    if not path.is_file():
        raise BadInput("no preprocessed cohort here", where=str(directory), fix="Build it first")
    try:
        record = _Record.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise BadInput("is damaged", where=str(path), fix=_REBUILD) from error
    if record.format != FORMAT:
        raise BadInput(f"`format` {record.format} is unknown, {FORMAT} is", where=str(path), fix=_REBUILD)
    return record


def _map_images(directory: Path) -> np.ndarray:
    path = directory / IMAGES
    try:
        # Not np.load, which opens archives as well; this takes one array, and no pickled objects.
        images_MDHW: np.ndarray = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise BadInput("is missing, truncated or damaged", where=str(path), fix=_REBUILD) from error
    return images_MDHW


def _column(values: object) -> np.ndarray:
    """A read-only float64 array; None becomes nan."""
    column = np.array(values, dtype=np.float64)
    column.setflags(write=False)
    return column
