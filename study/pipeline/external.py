"""The test stage on an external cohort, none of whose scans may be the study's own."""

from hashlib import sha256
from pathlib import Path

import numpy as np

from study.badinput import BadInput
from study.cohort.arrays import CohortArrays, build_arrays
from study.cohort.fingerprint import fingerprint
from study.cohort.scans import read_cohort
from study.pipeline.prepared import Prepared
from study.pipeline.progress import Progress
from study.pipeline.refusal import leaving_nothing
from study.pipeline.test import OWN, open_scans
from study.record import read_lines


def test_external(prepared: Prepared, path: Path, progress: Progress) -> None:
    """Predict a cohort of its own with every arm's winner; preprocessed as the study's, named as its folder.

    Raises:
        BadInput: The cohort cannot be read, its name stands for other scans, or it holds scans of the study.
    """
    source, spec = prepared.settings.cohort, prepared.arrays.preprocessing
    cohort = read_cohort(
        path, "auto", label=source.label, label_column=source.label_column, suffix=source.suffix
    )
    name = path.resolve().name
    _check_name(prepared, path, name, fingerprint(cohort, spec))
    target = prepared.directory.root / "external" / name
    with leaving_nothing(target), progress.stage(f"cohort {name}", len(cohort.scans)) as update:
        arrays = build_arrays(cohort, spec, target, progress=lambda done, total: update(done))
        _check_strange(prepared, path, arrays)
    open_scans(prepared, name, arrays, np.arange(len(arrays.ids)), progress)


def _check_name(prepared: Prepared, path: Path, name: str, digest: str) -> None:
    """Rows of two cohorts under one name would replace each other, and their openings add up."""
    if name == OWN:
        raise BadInput(
            f"an external cohort cannot be called `{OWN}`", where=str(path), fix="Rename its folder"
        )
    lines = read_lines(prepared.directory.test_log)
    if any(line["cohort"] == name and line["fingerprint"] != digest for line in lines):
        raise BadInput(
            f"the study has been tested on other scans, or other labels, that were called `{name}`",
            where=str(path),
            fix="Rename its folder",
        )


def _check_strange(prepared: Prepared, path: Path, arrays: CohortArrays) -> None:
    """Compare voxels as networks see them: a copy may have another name, label or compression."""
    own = dict(zip(_digests(prepared.arrays), prepared.arrays.ids, strict=True))
    shared = [
        (name, own[digest])
        for digest, name in zip(_digests(arrays), arrays.ids, strict=True)
        if digest in own
    ]
    if shared:
        name, known = shared[0]
        raise BadInput(
            f"{len(shared)} of its {len(arrays.ids)} scans are the study's own: `{name}` is there `{known}`",
            where=str(path),
            fix="Leave them out; the study's own test scans are opened by `setsum test` without --cohort",
        )


def _digests(arrays: CohortArrays) -> list[bytes]:
    return [sha256(image_DHW.tobytes()).digest() for image_DHW in arrays.images_MDHW]
