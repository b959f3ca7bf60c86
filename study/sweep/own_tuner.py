"""What `SetSumTrial` needs in a `tune.Tuner` of the user's own: scans on disk, folds, a file naming both."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from study.badinput import BadInput
from study.cohort.in_memory import store_arrays
from study.cohort.split import make_folds
from study.sweep.assignment import Assignment


def write_assignment(
    images: NDArray[np.floating],
    labels_M: NDArray[np.floating],
    folder: str | Path,
    *,
    folds: int = 3,
    seed: int = 0,
    threads: int = 1,
    gpus: float = 0,
) -> str:
    """Lay down scans for trials, and return the path that their configuration names under `assignment`.

    Args:
        images: (M, D, H, W) or (M, 1, D, H, W), preprocessed; keep test scans out of it.
        labels_M: (M,), additive: counts or volumes.
        folder: To write to; every node has to see it.
        folds: Each scan is predicted by a network that trained on the other folds.
        seed: Draws folds, initial weights, order, augmentation and views.
        threads: CPU threads of a trial.
        gpus: GPUs of a trial, or its share of one.

    Raises:
        BadInput: Shapes disagree, there are fewer scans than folds, or the folder cannot be written.
    """
    images = np.asarray(images)
    images_MDHW = images[:, 0] if images.ndim == 5 and images.shape[1] == 1 else images
    if not 2 <= folds <= len(images_MDHW):
        raise BadInput(f"2 <= folds <= scans must hold, got {folds} folds and {len(images_MDHW)} scans")
    root = Path(folder).resolve()
    arrays = store_arrays(images_MDHW, np.asarray(labels_M), root)
    assignment = Assignment(
        arrays=root,
        fingerprint=arrays.fingerprint,
        development=np.arange(len(arrays.ids)),
        folds=make_folds(
            arrays.labels, arrays.sites, arrays.groups, folds=folds, repeats=1, stratify=True, seed=seed
        ),
        seed=seed,
        view_seed=seed,
        threads=threads,
        gpus=gpus,
    )
    path = root / "assignment.json"
    assignment.write(path)
    return str(path)
