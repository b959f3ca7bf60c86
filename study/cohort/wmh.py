"""The layout of the WMH segmentation challenge 2017: `<site>/<scan>/pre/FLAIR.nii.gz` and `wmh.nii.gz`.

Amsterdam's scans lie a level deeper (`Amsterdam/GE3T/<scan>`), the whole may lie under `training/`
and `test/`, and some folder names end in a space and a dot. A `labels.tsv` at the root (columns
`scan`, the folder's path below the root; `label`; optionally `truth`) replaces the counts from the
masks: that is how raters' counts, or a phantom's perturbed ones, are given.
"""

import hashlib
import re
from collections import Counter
from pathlib import Path

from study.badinput import BadInput
from study.cohort.inside import check_inside
from study.cohort.lesions import as_quantity, count_lesions
from study.cohort.scan import Cohort, Scan, Unlabelled
from study.cohort.table import Row, read_rows

_IMAGE, _LESIONS, _LABELS = "pre/FLAIR.nii.gz", "wmh.nii.gz", "labels.tsv"


def is_wmh(root: Path) -> bool:
    return root.is_dir() and next(root.rglob(_IMAGE), None) is not None


def read_wmh(root: Path, *, label: str, label_column: str, suffix: str) -> Cohort:
    """Read a folder in the challenge's layout; `label_column` and `suffix` mean nothing here.

    Raises:
        BadInput: A folder has an image without a mask or the other way round, or the label table
            and the folders disagree.
    """
    folders = _folders(root)
    rows = _label_rows(root, folders)
    quantity = as_quantity("voxels" if label == "auto" else label)
    ids = _ids(folders, root)
    scans = []
    for folder, scan_id in zip(folders, ids, strict=True):
        row = rows.get(folder)
        lesions = root / folder / _LESIONS
        from_table = row is not None and label == "auto"
        scans.append(
            Scan(
                id=scan_id,
                image=root / folder / _IMAGE,
                label=row.amount("label") if row and from_table else count_lesions(lesions, quantity),
                lesion_mask=lesions,
                site=_site(folder),
                truth=row.amount("truth") if row and "truth" in row.cells else None,
            )
        )
    return Cohort(root=root, layout="wmh", unit=quantity, scans=tuple(scans))


def wmh_images(root: Path) -> list[Unlabelled]:
    """The images of a folder in the challenge's layout; masks are not needed.

    Raises:
        BadInput: A link leads out of the folder.
    """
    images = {path.parent.parent.relative_to(root).as_posix(): path for path in root.rglob(_IMAGE)}
    folders = sorted(images)
    for folder in folders:
        check_inside(images[folder], root, where=str(images[folder]), what="the file")
    return [
        Unlabelled(id=scan_id, image=images[folder])
        for folder, scan_id in zip(folders, _ids(folders, root), strict=True)
    ]


def _folders(root: Path) -> list[str]:
    """Scan folders as posix paths below `root`, sorted; each has an image and a mask."""
    images = {path.parent.parent for path in root.rglob(_IMAGE)}
    masks = {path.parent for path in root.rglob(_LESIONS)}
    _refuse_lone(images - masks, f"has {_IMAGE} but no {_LESIONS}", f"Add {_LESIONS} or move the folder away")
    _refuse_lone(masks - images, f"has {_LESIONS} but no {_IMAGE}", f"Add {_IMAGE} or move the folder away")
    if not images:
        raise BadInput(f"no {_IMAGE} below this folder", where=str(root), fix="Point at the cohort's folder")
    for folder in images:
        for name in (_IMAGE, _LESIONS):
            check_inside(folder / name, root, where=str(folder / name), what="the file")
    return sorted(folder.relative_to(root).as_posix() for folder in images)


def _refuse_lone(folders: set[Path], what: str, fix: str) -> None:
    if folders:
        raise BadInput(what, where=", ".join(repr(str(folder)) for folder in sorted(folders)), fix=fix)


def _label_rows(root: Path, folders: list[str]) -> dict[str, Row]:
    """Rows of the label table by scan folder; empty when there is no such table."""
    table = root / _LABELS
    if not table.exists():
        return {}
    rows = {_exact_folder(row, folders): row for row in read_rows(table, ("scan", "label"))}
    for folder in folders:
        if folder not in rows:
            raise BadInput(f"no row for the scan {folder!r}", where=str(table), fix="Add it")
    return rows


def _exact_folder(row: Row, folders: list[str]) -> str:
    """The folder a row names; table cells are stripped, folder names may not be."""
    named = [folder for folder in folders if folder.strip() == row.need("scan").rstrip("/")]
    if len(named) != 1:
        raise BadInput(
            f"{row.text('scan')!r} is {'no' if not named else 'more than one'} scan folder of this cohort",
            where=row.where,
            fix="Give the folder's path below the cohort's root",
        )
    return named[0]


def _site(folder: str) -> str:
    """First folder below the root, `training` and `test` aside; a scan's own folder is no site."""
    parts = folder.split("/")[:-1]
    while parts and parts[0].lower() in ("training", "test"):
        parts = parts[1:]
    return parts[0].strip(" .") if parts else ""


def _ids(folders: list[str], root: Path) -> list[str]:
    """A safe id a folder; folders that would share one get a piece of their path's hash."""
    plain = [_safe(root.resolve().name if folder == "." else folder) for folder in folders]
    count = Counter(plain)
    return [
        name if count[name] == 1 else f"{name}-{hashlib.sha256(folder.encode()).hexdigest()[:8]}"
        for name, folder in zip(plain, folders, strict=True)
    ]


def _safe(folder: str) -> str:
    parts = (re.sub(r"[^\w.-]+", "_", part.strip(" .")).strip("_.") for part in folder.split("/"))
    return "-".join(part or "x" for part in parts)
