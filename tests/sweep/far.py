"""Two arms and a confirmation whose files or search lie elsewhere than in the study; also run as a driver."""

import json
import sys
from pathlib import Path

import numpy as np
import tiny

from study.sweep.cluster import start_ray
from study.sweep.confirm import run_jobs
from study.sweep.confirm_job import ConfirmJob
from study.sweep.place import below
from study.sweep.sweep import run_sweep

ARMS = ("base", "set_sum")
TRAINING = {**tiny.TRAINING, "presentations": 600, "reports": 8}


def tasks(study, states=None, **changes):
    """The arms' searches; `states` is the place of their checkpoints, if not the study."""
    return [
        tiny.make_task(
            study,
            arm,
            training=TRAINING,
            sampler="tpe",
            states=below(states or study.resolve(), "sweeps", arm),
            **changes,
        )
        for arm in ARMS
    ]


def job(study, states=None):
    """A confirmation of the default configuration."""
    space = tasks(study)[0].space
    folder = study.resolve() / "confirm" / "0-0"
    return ConfirmJob(
        arm="base",
        trial=0,
        config=space.resolve(space.points["default"]),
        length=600,
        seed=0,
        training_seed=100,
        view_seed=3,
        folds=tiny.folds_of(tiny.SCANS - tiny.TEST),
        directory=folder,
        place=str(folder) if states is None else below(states, "confirm", "0-0"),
    )


def work(study, states=None, **changes):
    """Whatever is left of both arms and the confirmation."""
    for task in tasks(study, states, **changes):
        run_sweep(task, progress=lambda event: None)
    run_jobs(
        [job(study, states)],
        arrays=study / "cohort",
        development=np.arange(tiny.SCANS - tiny.TEST),
        cpus_per_trial=1,
        gpus_per_trial=0,
        threads=1,
        states=below(states or study.resolve(), "confirm"),
        patience=600.0,
        progress=lambda event: None,
    )


if __name__ == "__main__":
    with start_ray(cpus=2):
        work(Path(sys.argv[1]), **json.loads(sys.argv[2]))
