"""What the search of one arm is asked to do."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from study.cohort.arrays import open_arrays
from study.cohort.split import Fold
from study.regression.config import BASE
from study.regression.named import source_text
from study.sweep.assignment import Assignment
from study.sweep.spaces import Space, check_space, check_trials
from study.sweep.stored import stored_name
from study.sweep.trackers import Kind


@dataclass(frozen=True, kw_only=True, eq=False)
class SweepTask:
    """An arm to search.

    Args:
        space: Its search space, the study's own fields fixed in it.
        trials: To end with, the arm's named points included.
        hours: Wall-clock hours to search instead of `trials`, or None.
        arrays: Directory of the preprocessed cohort.
        development: (M,) positions of the development scans in it.
        folds: Positions into the development scans.
        seed: Of the study.
        sampler: `tpe`, `random` or `qmc`.
        scheduler: `fifo` or `asha`.
        storage: Of Optuna: a journal file or a database URL.
        study: The study's own name, in a database that several share.
        directory: Of the arm, `STUDY/sweeps/<arm>`: what happened, line by line.
        states: Where the trials' states lie, and all else that a worker reads or writes by name: the
            same folder, or one that nodes without it reach, as a path or URI (`study.sweep.place`).
        cpus_per_trial: CPUs that a trial occupies.
        gpus_per_trial: GPUs that a trial occupies, or its share of one.
        threads: CPU threads a trial computes with.
        patience: Seconds without a report after which a trial counts as hung.
        bearable_failures: Share of the trials that may fail before the sweep is stopped.
        tracking: Where the search can be followed; files go into `STUDY/tracking`.
    """

    space: Space
    trials: int
    hours: float | None
    arrays: Path
    development: NDArray[np.int64]
    folds: tuple[Fold, ...]
    seed: int
    sampler: str
    scheduler: str
    storage: str | Path
    study: str
    directory: Path
    states: str
    cpus_per_trial: float
    gpus_per_trial: float
    threads: int
    patience: float
    bearable_failures: float
    tracking: tuple[Kind, ...] = ()

    @property
    def arm(self) -> str:
        """Its name."""
        return self.space.arm

    @property
    def timed(self) -> bool:
        """Whether hours decide when it ends."""
        return self.hours is not None and bool(self.space.searched)

    @property
    def wanted(self) -> int:
        """Trials to end with; without anything to search, all would be the same one."""
        return wanted_trials(self.space, self.trials)

    @property
    def stored_as(self) -> str:
        """Name of its search in Optuna's storage."""
        return stored_name(self.storage, self.study, self.arm)

    def attributes(self) -> dict[str, object]:
        """What each of its trials carries in Optuna's storage: arm, seeds, data, folds."""
        return {"arm": self.arm, **self.assignment().identity(), "fold count": len(self.folds)}

    def check(self) -> None:
        """See that space, folds and trials fit together.

        Raises:
            BadInput: They do not, or the trials do not suffice for the named points and one sampled
                configuration.
        """
        check_space(self.space, self.assignment().training_scans)
        if self.hours is None:
            check_trials(self.space, self.trials)

    def assignment(self) -> Assignment:
        """What its workers have to know.

        Raises:
            BadInput: The cohort is missing or damaged, or the file of the user's own regressor is.
        """
        return Assignment(
            arrays=self.arrays.resolve(),
            fingerprint=open_arrays(self.arrays).fingerprint,
            development=np.asarray(self.development, dtype=np.int64),
            folds=self.folds,
            seed=self.seed,
            view_seed=self.seed,
            threads=self.threads,
            gpus=self.gpus_per_trial,
            regressor=source_text(str(self.space.constants.get("regressor", BASE))),
        )


def wanted_trials(space: Space, trials: int) -> int:
    """Trials of a space that is given so many; one where nothing is searched."""
    return trials if space.searched else 1
