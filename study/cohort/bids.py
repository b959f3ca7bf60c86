"""BIDS: `participants.tsv` with the labels, images `sub-*/[ses-*/]anat/*_<suffix>.nii[.gz]`.

A participant's sessions and runs form one group. Where `participants.tsv` has a column
`session_id`, labels are looked up by participant and session, else by participant.
"""

from pathlib import Path

from study.badinput import BadInput
from study.cohort.inside import check_inside
from study.cohort.scan import Cohort, Scan, Unlabelled
from study.cohort.table import Row, read_rows

_TABLE = "participants.tsv"
_FOLDERS = ("sub-*/anat", "sub-*/ses-*/anat")


def is_bids(path: Path) -> bool:
    return (path / _TABLE).is_file()


def has_subjects(path: Path) -> bool:
    """Whether a folder has images laid out as in BIDS, with or without `participants.tsv`."""
    return any(next(path.glob(pattern), None) for pattern in _FOLDERS)


def bids_images(root: Path, suffix: str) -> list[Unlabelled]:
    """The images of a data set, whose labels are not needed.

    Raises:
        BadInput: There are none of this suffix, or a link leads out of the folder.
    """
    return [Unlabelled(id=_id(image), image=image) for image in _images(root, suffix)]


def read_bids(root: Path, *, label: str, label_column: str, suffix: str) -> Cohort:
    """Read a BIDS data set.

    Raises:
        BadInput: An image has no label or a label no image, or labels are asked from masks.
    """
    if label != "auto":
        raise BadInput(
            f"the bids layout has no lesion masks to make `label: {label}` from",
            where=str(root),
            fix="Use a label column, or a manifest that names lesion masks",
        )
    rows = _rows(root, label_column)
    images = _images(root, suffix)
    used = set()
    scans = []
    for image in images:
        key = _key(image, root, by_session=any(session for _, session in rows))
        if key not in rows:
            raise BadInput(
                f"no row for {' '.join(key).strip()}, which has the image {image.relative_to(root)}",
                where=str(root / _TABLE),
                fix="Add it, or move the image away",
            )
        used.add(key)
        scans.append(_scan(image, rows[key], key[0], label_column))
    for key in rows.keys() - used:
        raise BadInput(f"no *_{suffix} image", where=rows[key].where, fix="Remove the row or add the image")
    return Cohort(root=root, layout="bids", unit=label_column, scans=tuple(scans))


def _rows(root: Path, label_column: str) -> dict[tuple[str, str], Row]:
    """Rows by participant and session (empty where sessions are not told apart)."""
    rows: dict[tuple[str, str], Row] = {}
    for row in read_rows(root / _TABLE, ("participant_id", label_column)):
        key = row.need("participant_id"), row.text("session_id")
        if key in rows:
            raise BadInput("occurs twice", where=row.where, fix="Keep one row")
        rows[key] = row
    return rows


def _images(root: Path, suffix: str) -> list[Path]:
    found = sorted(
        path
        for pattern in _FOLDERS
        for ending in (".nii.gz", ".nii")
        for path in root.glob(f"{pattern}/*_{suffix}{ending}")
    )
    if not found:
        raise BadInput(
            f"no sub-*/[ses-*/]anat/*_{suffix}.nii.gz below this folder",
            where=str(root),
            fix="Correct `suffix`",
        )
    for image in found:
        check_inside(image, root, where=str(image), what="the image")
    return found


def _key(image: Path, root: Path, *, by_session: bool) -> tuple[str, str]:
    parts = image.relative_to(root).parts
    return parts[0], parts[1] if by_session and parts[1].startswith("ses-") else ""


def _scan(image: Path, row: Row, participant: str, label_column: str) -> Scan:
    return Scan(
        id=_id(image),
        image=image,
        label=row.amount(label_column),
        site=row.text("site"),
        group=participant,
        truth=row.amount("truth") if row.text("truth") else None,
    )


def _id(image: Path) -> str:
    return image.name.removesuffix(".gz").removesuffix(".nii").rpartition("_")[0]
