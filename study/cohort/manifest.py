"""A manifest: one table that lists scans wherever they lie.

Columns: `id`, `image`, `label` (or another name; not needed when every row has a lesion mask), and
optionally `mask`, `lesion_mask`, `site`, `group`, `truth`. Relative paths start at the manifest's
folder and may not leave it, by links neither; an absolute path may lie anywhere.
"""

import os
from pathlib import Path

from study.badinput import BadInput
from study.cohort.inside import check_inside
from study.cohort.lesions import as_quantity, count_lesions
from study.cohort.scan import Cohort, Scan, Unlabelled
from study.cohort.table import Row, read_rows

_ENDINGS = (".csv", ".tsv", ".parquet")


def is_manifest(path: Path) -> bool:
    return bool(_candidates(path))


def read_manifest(path: Path, *, label: str, label_column: str, suffix: str) -> Cohort:
    """Read a manifest file, or the `manifest.csv`, `.tsv` or `.parquet` of a folder; `suffix` means nothing.

    Raises:
        BadInput: The table, one of its cells, or a file it names cannot be used.
    """
    quantity = as_quantity("voxels" if label == "auto" else label)
    table = _one_table(path)
    rows = read_rows(table, ("id", "image"))
    from_column = label == "auto" and label_column in rows[0].cells
    if not from_column and "lesion_mask" not in rows[0].cells:
        raise BadInput(
            f"neither a column `{label_column}` nor a column `lesion_mask`: labels cannot be made",
            where=str(table),
            fix="Add one of them",
        )
    scans = [
        Scan(
            id=row.need("id"),
            image=_file(row, "image"),
            label=row.amount(label_column)
            if from_column
            else count_lesions(_file(row, "lesion_mask"), quantity),
            mask=_file(row, "mask") if row.text("mask") else None,
            lesion_mask=_file(row, "lesion_mask") if row.text("lesion_mask") else None,
            site=row.text("site"),
            group=row.text("group"),
            truth=row.amount("truth") if row.text("truth") else None,
        )
        for row in rows
    ]
    unit = label_column if from_column else quantity
    return Cohort(root=table.parent, layout="manifest", unit=unit, scans=tuple(scans))


def manifest_images(path: Path) -> list[Unlabelled]:
    """The images that a manifest lists, whose labels are not needed.

    Raises:
        BadInput: As `read_manifest`, labels and lesion masks aside.
    """
    return [
        Unlabelled(
            id=row.need("id"),
            image=_file(row, "image"),
            mask=_file(row, "mask") if row.text("mask") else None,
        )
        for row in read_rows(_one_table(path), ("id", "image"))
    ]


def _candidates(path: Path) -> list[Path]:
    if path.is_dir():
        return [path / f"manifest{ending}" for ending in _ENDINGS if (path / f"manifest{ending}").is_file()]
    return [path] if path.suffix.lower() in _ENDINGS else []


def _one_table(path: Path) -> Path:
    found = _candidates(path)
    if len(found) != 1:
        raise BadInput(
            "more than one manifest"
            if found
            else "a manifest is a .csv, .tsv or .parquet file, here is none",
            where=str(path),
            fix="Name the file itself" if found else "Write manifest.csv with columns id, image and label",
        )
    return found[0]


def _file(row: Row, column: str) -> Path:
    """The existing file that a cell names."""
    named = Path(row.need(column))
    base = row.table.parent.absolute()
    path = Path(os.path.normpath(base / named))
    if not named.is_absolute() and not path.is_relative_to(os.path.normpath(base)):
        raise BadInput(
            f"`{column}` leaves the manifest's folder: {str(named)!r}",
            where=row.where,
            fix="Give an absolute path or move the file",
        )
    if not _is_file(path):
        raise BadInput(f"`{column}` names no file: {str(named)!r}", where=row.where, fix="Correct the path")
    if not named.is_absolute():
        check_inside(path, base, where=row.where, what=f"`{column}`")
    return path


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        # Too long a name, or a folder that may not be entered.
        return False
