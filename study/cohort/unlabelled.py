"""Scans to predict, however they are named: files, folders, glob patterns, manifests, BIDS, WMH folders."""

import glob
from collections.abc import Sequence
from pathlib import Path

from study.badinput import BadInput
from study.cohort.bids import bids_images, has_subjects
from study.cohort.inside import check_inside
from study.cohort.manifest import is_manifest, manifest_images
from study.cohort.scan import Unlabelled
from study.cohort.wmh import is_wmh, wmh_images

_ENDINGS = (".nii", ".nii.gz")


def find_scans(named: Sequence[Path], suffix: str = "FLAIR") -> list[Unlabelled]:
    """The scans that some paths and patterns name, in that order, those of a folder sorted.

    A file's id is its path as given. A manifest, or a folder that holds one, gives its ids; so do the
    BIDS and the WMH challenge's layouts, as they would in a cohort. Any other folder is searched for
    NIfTI files, hidden ones aside.

    Args:
        named: Files, folders, and patterns with `*`, `?` or `[...]` (`**` for any depth).
        suffix: BIDS suffix of the images.

    Raises:
        BadInput: Nothing is there, or a scan or an id occurs twice.
    """
    scans: list[Unlabelled] = []
    for place in named:
        try:
            scans += [scan for path in _matching(place) for scan in _at(path, suffix)]
        except OSError as error:
            # Too long a name, or a folder that may not be entered.
            raise BadInput(
                f"cannot be searched ({error.strerror})", where=str(place), fix="Correct the path"
            ) from error
    _refuse_twice([(scan.id, f"the id {scan.id!r}", scan.image) for scan in scans])
    _refuse_twice([(scan.image.resolve(), "this scan", scan.image) for scan in scans])
    return scans


def _matching(place: Path) -> list[Path]:
    """The path itself, or what it matches if it is a pattern and no such file exists."""
    if not glob.has_magic(str(place)) or place.exists():
        return [place]
    found = [Path(match) for match in sorted(glob.glob(str(place), recursive=True))]  # noqa: PTH207 - may be absolute
    if not found:
        raise BadInput("no file matches", where=str(place), fix="Correct the pattern")
    return found


def _at(path: Path, suffix: str) -> list[Unlabelled]:
    if is_manifest(path):
        return manifest_images(path)
    if not path.is_dir():
        return [Unlabelled(id=str(path), image=path)]
    if has_subjects(path):
        return bids_images(path, suffix)
    return wmh_images(path) if is_wmh(path) else _folder(path)


def _folder(root: Path) -> list[Unlabelled]:
    """The NIfTI files of a folder and of those in it."""
    images = sorted(
        path
        for path in root.rglob("*")
        if path.name.lower().endswith(_ENDINGS)
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
    )
    if not images:
        raise BadInput("no .nii or .nii.gz file in this folder", where=str(root), fix="Name another folder")
    for image in images:
        check_inside(image, root, where=str(image), what="the scan")
    return [Unlabelled(id=str(image), image=image) for image in images]


def _refuse_twice(rows: Sequence[tuple[object, str, Path]]) -> None:
    seen: dict[object, Path] = {}
    for key, what, image in rows:
        if key in seen:
            also = "" if seen[key] == image else f", also as {seen[key]}"
            raise BadInput(f"{what} occurs twice{also}", where=str(image), fix="Name it once")
        seen[key] = image
