"""Write a phantom cohort as NIfTI files, the same bytes for the same parameters on any run.

Scan i depends on the seed and on i alone, so a smaller cohort is the beginning of a larger one.
`phantom.json`, the parameters, is written last: a folder without it was left by a killed run and is
written again; a folder whose `phantom.json` says the same is reused.
"""

import gzip
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, NamedTuple

import nibabel
import numpy as np
import pandas as pd

from study.badinput import BadInput
from study.cohort.phantom_pvs import NOMINAL_PVS, pvs_scan
from study.cohort.phantom_space import SITES, Shape, Site, as_shape
from study.cohort.phantom_wmh import LESION, nominal_wmh, wmh_scan
from study.record import read_json, write_json, write_text

FORMAT = 1
LARGEST = 512
"""Voxels along an axis: every core makes a scan of its own, in float64."""
_RECORD, _UNFINISHED = "phantom.json", "phantom.unfinished.json"

# nibabel is typed only in part.
nib: Any = nibabel

Kind = Literal["wmh", "pvs"]


class Label(NamedTuple):
    """What the label table says of one scan."""

    scan: str
    """Folder (wmh) or id (pvs)."""
    site: Site
    label: int
    truth: int


def write_phantom(
    out: Path,
    *,
    kind: Kind = "wmh",
    scans: int,
    shape: int | Shape,
    seed: int,
    rater_noise: float = 0.0,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a cohort, or reuse the same one.

    Args:
        out: Folder to write; new, empty, or holding the same phantom (whole or unfinished).
        kind: `wmh` in the challenge's layout, labels counted from masks (in `labels.tsv` when raters
            are noisy); `pvs` as a manifest.
        scans: How many, at least 1.
        shape: Voxels along each axis, at least 8.
        seed: Not negative.
        rater_noise: Raters' error, in SDs of the label; the truth is kept in a column of its own.
        workers: Threads; None takes one a core.
        progress: Called with scans done and scans in all.

    Returns:
        `out`.

    Raises:
        BadInput: A parameter is out of range, or `out` holds something else.
    """
    shape = as_shape(shape)
    _check(kind, scans, shape, seed, rater_noise)
    parameters: dict[str, object] = {
        "format": FORMAT,
        "kind": kind,
        "scans": scans,
        "shape": list(shape),
        "seed": seed,
        "rater_noise": float(rater_noise),
    }
    if _holds(out, parameters):
        return out
    _start(out, parameters)
    write = _write_wmh if kind == "wmh" else _write_pvs

    def write_one(index: int) -> Label:
        return write(out, index, shape, seed, rater_noise)

    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        labels = list(_told(pool.map(write_one, range(scans)), scans, progress))
    _write_table(out, kind, labels, rater_noise)
    write_json(out / _RECORD, parameters)
    (out / _UNFINISHED).unlink()
    return out


def _check(kind: str, scans: int, shape: Shape, seed: int, rater_noise: float) -> None:
    rules = (
        (kind in ("wmh", "pvs"), f"`kind` must be wmh or pvs, got {kind!r}"),
        (scans >= 1, f"`scans` >= 1 must hold, got {scans}"),
        (len(shape) == 3 and min(shape) >= 8, f"`shape` needs three sides of at least 8 voxels, got {shape}"),
        (max(shape) <= LARGEST, f"`shape` <= {LARGEST} must hold, got {shape}"),
        (seed >= 0, f"`seed` >= 0 must hold, got {seed}"),
        (0 <= rater_noise < float("inf"), f"`rater_noise` >= 0 must hold, got {rater_noise}"),
    )
    for holds, what in rules:
        if not holds:
            raise BadInput(what, where="phantom", fix="Change this value")


def _holds(out: Path, parameters: dict[str, object]) -> bool:
    """Whether `out` is this very phantom; refuses to touch anything but an unfinished one."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    if not out.is_dir():
        raise BadInput("is not a folder", where=str(out), fix="Choose another one")
    if (out / _UNFINISHED).is_file():
        return False
    try:
        found = read_json(out / _RECORD)
    except (OSError, ValueError):
        found = None
    if found != parameters:
        what = "is not empty" if found is None else f"holds another phantom: {found}"
        raise BadInput(what, where=str(out), fix="Choose another folder, or delete this one")
    return True


def _start(out: Path, parameters: dict[str, object]) -> None:
    """An empty folder but for a note that says it is being written; a killed run's leavings go."""
    # Makes the folder, too.
    write_json(out / _UNFINISHED, parameters)
    for name in ("Utrecht", "Singapore", "Amsterdam", "images", "masks"):
        shutil.rmtree(out / name, ignore_errors=True)
    for name in ("labels.tsv", "manifest.tsv", _RECORD):
        (out / name).unlink(missing_ok=True)


def _told(
    labels: Iterator[Label], total: int, progress: Callable[[int, int], None] | None
) -> Iterator[Label]:
    for done, label in enumerate(labels, start=1):
        if progress:
            progress(done, total)
        yield label


def _write_wmh(out: Path, index: int, shape: Shape, seed: int, rater_noise: float) -> Label:
    site = index % len(SITES)
    image, mask, _ = wmh_scan(shape, np.random.default_rng([seed, index, 0]), site)
    folder = f"{SITES[site].folder}/{index}"
    _write_nifti(out / folder / "pre" / "FLAIR.nii.gz", image, SITES[site])
    _write_nifti(out / folder / "wmh.nii.gz", mask, SITES[site])
    truth = int((mask == LESION).sum())
    label = _rated(truth, *nominal_wmh(shape), rater_noise, np.random.default_rng([seed, index, 1]))
    return Label(folder, SITES[site], label, truth)


def _write_pvs(out: Path, index: int, shape: Shape, seed: int, rater_noise: float) -> Label:
    site = index % len(SITES)
    image, region, truth = pvs_scan(shape, np.random.default_rng([seed, index, 0]), site)
    name = f"scan-{index:04d}"
    _write_nifti(out / "images" / f"{name}.nii.gz", image, SITES[site])
    _write_nifti(out / "masks" / f"{name}.nii.gz", region, SITES[site])
    label = _rated(truth, *NOMINAL_PVS, rater_noise, np.random.default_rng([seed, index, 1]))
    return Label(name, SITES[site], label, truth)


def _write_nifti(path: Path, image: np.ndarray, site: Site) -> None:
    """One compressed file without a time stamp."""
    path.parent.mkdir(parents=True, exist_ok=True)
    volume = nib.Nifti1Image(image, np.diag([*site.spacing, 1.0]))
    volume.header.set_xyzt_units("mm")
    path.write_bytes(gzip.compress(volume.to_bytes(), compresslevel=4, mtime=0))


def _rated(truth: int, mean: float, sd: float, noise: float, generator: np.random.Generator) -> int:
    """A rater's whole number: the error's variance grows with the truth, `(noise * sd)**2` at the mean."""
    error = noise * sd * np.sqrt(0.25 + 0.75 * truth / mean)
    return max(0, round(truth + float(error * generator.standard_normal())))


def _write_table(out: Path, kind: Kind, labels: list[Label], rater_noise: float) -> None:
    """manifest.tsv, or for noisy wmh raters labels.tsv; wmh labels without noise lie in the masks."""
    if kind == "wmh" and rater_noise == 0:
        return
    if kind == "wmh":
        rows = [{"scan": row.scan, "label": row.label, "truth": row.truth} for row in labels]
    else:
        rows = [
            {
                "id": row.scan,
                "image": f"images/{row.scan}.nii.gz",
                "label": row.label,
                "mask": f"masks/{row.scan}.nii.gz",
                "site": row.site.folder.split("/")[0],
                "truth": row.truth,
            }
            for row in labels
        ]
    name = "labels.tsv" if kind == "wmh" else "manifest.tsv"
    write_text(out / name, pd.DataFrame(rows).to_csv(sep="\t", index=False, lineterminator="\n"))
