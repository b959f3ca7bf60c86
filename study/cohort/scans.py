"""From a path to a cohort: find the layout, read it, and check what every layout must hold."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from study.badinput import BadInput
from study.cohort.bids import is_bids, read_bids
from study.cohort.manifest import is_manifest, read_manifest
from study.cohort.scan import Cohort, Quantity, Scan
from study.cohort.wmh import is_wmh, read_wmh

__all__ = ["LAYOUTS", "Cohort", "Quantity", "Scan", "read_cohort"]


class Layout(NamedTuple):
    """How to recognise a layout, and how to read it."""

    recognise: Callable[[Path], bool]
    read: Callable[..., Cohort]


LAYOUTS = {
    # The most explicit first: who wrote a manifest into a folder means it.
    "manifest": Layout(is_manifest, read_manifest),
    "bids": Layout(is_bids, read_bids),
    "wmh": Layout(is_wmh, read_wmh),
}


def read_cohort(
    path: str | Path,
    layout: str = "auto",
    *,
    label: str = "auto",
    label_column: str = "label",
    suffix: str = "FLAIR",
) -> Cohort:
    """List a cohort's scans with their labels, before anything is cropped.

    Args:
        path: Folder, or manifest file.
        layout: `wmh`, `manifest`, `bids`, or `auto` for the first that fits.
        label: `voxels`, `mm3` or `components` of the lesion masks; `auto` takes the table's label
            column where there is one, else voxels.
        label_column: Column of a manifest or of participants.tsv that holds the labels.
        suffix: BIDS suffix of the images.

    Raises:
        BadInput: Nothing readable is there, or a scan, label, id or table cannot be used.
    """
    root = Path(path)
    if not _exists(root):
        raise BadInput("no such file or folder", where=str(root), fix="Correct the path of the cohort")
    name = _recognise(root) if layout == "auto" else layout
    if name not in LAYOUTS:
        raise BadInput(
            f"`layout` must be one of auto, {', '.join(sorted(LAYOUTS))}, got {layout!r}", where="layout"
        )
    if name != "manifest" and not root.is_dir():
        raise BadInput(
            f"the {name} layout is a folder, this is a file", where=str(root), fix="Name the folder"
        )
    cohort = LAYOUTS[name].read(root, label=label, label_column=label_column, suffix=suffix)
    _check_ids(cohort)
    return cohort


def _exists(root: Path) -> bool:
    try:
        return root.exists()
    except OSError:
        # Too long a name, or below a folder that may not be entered.
        return False


def _recognise(root: Path) -> str:
    for name, layout in LAYOUTS.items():
        if layout.recognise(root):
            return name
    raise BadInput(
        "no cohort found: no manifest (.csv, .tsv, .parquet), participants.tsv or */pre/FLAIR.nii.gz",
        where=str(root),
        fix="Point at the cohort's folder or its manifest",
    )


def _check_ids(cohort: Cohort) -> None:
    seen: set[str] = set()
    for scan in cohort.scans:
        if scan.id.startswith(".") or not scan.id.isprintable() or {"/", "\\"} & set(scan.id):
            raise BadInput(
                f"an id may not hold slashes or control characters or start with a dot, got {scan.id!r}",
                where=str(cohort.root),
                fix="Rename it",
            )
        if scan.id in seen:
            raise BadInput(
                f"the id {scan.id!r} occurs twice", where=str(cohort.root), fix="Give each scan its own"
            )
        seen.add(scan.id)
