"""A cohort small enough to sweep in seconds, and tasks on it; also run as a driver to be killed."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from study.builtin import built_in_arms
from study.cohort.split import Fold, make_folds
from study.sweep.cluster import start_ray
from study.sweep.collect import collect_sweeps
from study.sweep.results import Results
from study.sweep.spaces import read_space, with_training
from study.sweep.sweep import run_sweep
from study.sweep.task import SweepTask

SCANS, TEST = 22, 2
TRAINING = {
    "presentations": 40,
    "reports": 4,
    "views": 1,
    "flips": False,
    "rotation": 0.0,
    "translation": 0.0,
}


def write_cohort(directory: Path, *, scans: int = SCANS, side: int = 6, fingerprint: str = "tiny") -> Path:
    """Images whose mean is their label, as `study.cohort.arrays` lays them out."""
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    labels = np.linspace(1, 3, scans)
    images = rng.normal(labels[:, None, None, None], 0.1, (scans, side, side, side)).astype(np.float32)
    np.save(directory / "images.npy", images)
    names = [f"scan-{i:02d}" for i in range(scans)]
    record = {
        "format": 1,
        "fingerprint": fingerprint,
        "source": "made here",
        "layout": "manifest",
        "unit": "a.u.",
        "preprocessing": {"shape": [side] * 3},
        "ids": names,
        "labels": labels.tolist(),
        "sites": [""] * scans,
        "groups": names,
        "truths": [None] * scans,
        "lesion_share_lost": [None] * scans,
        "affines": [np.eye(4).tolist()] * scans,
    }
    (directory / "cohort.json").write_text(json.dumps(record))
    return directory


def folds_of(scans: int) -> tuple[Fold, ...]:
    names = [str(i) for i in range(scans)]
    return make_folds(np.arange(scans), names, names, folds=2, repeats=1, stratify=False, seed=0)


def make_task(study: Path, arm: str = "base", **changes) -> SweepTask:
    """A task on the cohort below `study`; the last scans are for testing."""
    arrays = study / "cohort"
    if not arrays.exists():
        write_cohort(arrays)
    training = changes.pop("training", TRAINING)
    space = changes.pop("space", None) or read_space(built_in_arms()[arm])
    fields = {
        "space": with_training(space, training),
        "trials": 3,
        "hours": None,
        "arrays": arrays,
        "development": np.arange(SCANS - TEST),
        "folds": folds_of(SCANS - TEST),
        "seed": 3,
        "sampler": "random",
        "scheduler": "fifo",
        "storage": study / "optuna.journal",
        "study": study.name,
        "directory": study / "sweeps" / arm,
        "states": str(study.resolve() / "sweeps" / arm),
        "cpus_per_trial": 1,
        "gpus_per_trial": 0,
        "threads": 1,
        "patience": 600.0,
        "bearable_failures": 0.7,
    }
    return SweepTask(**{**fields, **changes})


def long_task(study: Path) -> SweepTask:
    """A sweep that takes long enough to be killed."""
    training = {**TRAINING, "presentations": 800, "reports": 8}
    return make_task(study, "set_sum", trials=4, training=training)


def read_results_of(run: Path) -> dict[int, list[dict]]:
    """Results of one run by trial."""
    alone = run.parent.parent / "only"
    alone.mkdir()
    (alone / run.name).symlink_to(run.resolve())
    return dict(Results(alone))


def collected_oof(task: SweepTask) -> pd.DataFrame:
    """All out-of-fold predictions of an arm's search."""
    frames: list[pd.DataFrame] = []
    collect_sweeps([task], frames.append)
    return pd.concat([frame for frame in frames if len(frame)] or frames, ignore_index=True)


def main(study: Path) -> int:
    try:
        with start_ray(cpus=2):
            run_sweep(long_task(study), progress=lambda event: None)
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
