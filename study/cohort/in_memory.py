"""Scans that somebody has in memory already, laid down as a preprocessed cohort."""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from study.badinput import BadInput
from study.cohort.arrays import CohortArrays, open_arrays
from study.cohort.preprocess import Preprocessing
from study.record import atomic, write_json


def store_arrays(
    images_MDHW: NDArray[np.floating], labels_M: NDArray[np.floating], directory: Path
) -> CohortArrays:
    """Write what `build_arrays` would have written of them.

    Args:
        images_MDHW: (M, D, H, W), preprocessed.
        labels_M: (M,), additive.
        directory: Gets `images.npy` and, last, `cohort.json`.

    Raises:
        BadInput: Shapes disagree, a value is not finite, or the folder cannot be written.
    """
    images = np.ascontiguousarray(images_MDHW, dtype=np.float32)
    labels = np.asarray(labels_M, dtype=np.float64)
    if images.ndim != 4 or labels.shape != images.shape[:1] or not len(labels):
        raise BadInput(
            f"images (M, D, H, W) and labels (M,) must agree, got {images.shape} and {labels.shape}"
        )
    if not (np.isfinite(images).all() and np.isfinite(labels).all()):
        raise BadInput("images and labels must be finite", fix="Look for nan and inf in them")
    if labels.min() < 0:
        raise BadInput(
            f"labels are additive quantities of at least 0, got {labels.min():g}",
            fix="Give them as they are: a centred or scaled label of a set is not the sum of its scans'",
        )
    try:
        spec = Preprocessing.model_validate({"shape": images.shape[1:]})
    except ValidationError as error:
        raise BadInput(f"scans of {images.shape[1:]} voxels: {error.errors()[0]['msg']}") from None
    with atomic(directory / "images.npy") as stream:
        np.lib.format.write_array(stream, images, allow_pickle=False)
    write_json(directory / "cohort.json", _record(images, labels, spec))
    return open_arrays(directory)


def _record(
    images: NDArray[np.float32], labels: NDArray[np.float64], spec: Preprocessing
) -> dict[str, object]:
    content = repr(images.shape).encode() + images.tobytes() + labels.tobytes()
    names = [f"scan-{number}" for number in range(len(labels))]
    return {
        "format": 1,
        "fingerprint": hashlib.sha256(content).hexdigest(),
        "source": "memory",
        "layout": "arrays",
        "unit": "label",
        "preprocessing": spec.model_dump(mode="json"),
        "ids": names,
        "labels": labels.tolist(),
        "sites": [""] * len(labels),
        "groups": names,
        "truths": [None] * len(labels),
        "lesion_share_lost": [None] * len(labels),
        "affines": [np.eye(4).tolist()] * len(labels),
    }
