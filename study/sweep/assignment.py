"""What every worker of a study has to know beside a configuration: data, folds, seeds, threads.

Kept in a JSON file that trials name, on disk or in a bucket, so that Ray's own records stay small. Test scans
never reach a worker: it sees the rows of the development scans only.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from study.badinput import BadInput
from study.cohort.arrays import CohortArrays, open_arrays
from study.cohort.rows import Rows
from study.cohort.split import Fold
from study.regression.config import TrialConfig
from study.regression.crossvalidation import CrossValidation
from study.regression.named import hand_over
from study.sweep.place import Place, read, write
from study.sweep.staged import arrays_here


@dataclass(frozen=True, kw_only=True, eq=False)
class Assignment:
    """The data side of a training.

    Args:
        arrays: Directory of the preprocessed cohort.
        fingerprint: Of that cohort; another one is refused.
        development: (M,) positions of the development scans in the cohort.
        folds: Positions into the development scans.
        seed: Of initial weights, order and augmentation.
        view_seed: Of the fixed views, one for a whole study.
        threads: CPU threads of a training.
        gpus: GPUs of a training, 0 for the CPU.
        origin: Ray id of the node that hands `arrays` out to the others (`study.sweep.staged`); empty
            where they lie there on every node.
        regressor: Source of the user's own regressor, where a file holds it (`source_text`).
    """

    arrays: Path
    fingerprint: str
    development: NDArray[np.int64]
    folds: tuple[Fold, ...]
    seed: int
    view_seed: int
    threads: int
    gpus: float
    origin: str = ""
    regressor: str = ""

    @property
    def labels_M(self) -> NDArray[np.float64]:
        """(M,) of the development scans."""
        labels: NDArray[np.float64] = self.cohort().labels[self.development]
        return labels

    @property
    def training_scans(self) -> int:
        """m, the size of the smallest training fold."""
        return min(len(fold.train) for fold in self.folds)

    def cross_validation(self, config: TrialConfig, device: str) -> CrossValidation:
        """The networks of one configuration, untrained.

        Raises:
            BadInput: The cohort on disk is missing, damaged or another one.
        """
        if self.regressor:
            hand_over(config.regressor, self.regressor)
        images_MDHW = Rows(self.cohort().images_MDHW, self.development)
        return CrossValidation(
            config,
            images_MDHW,
            self.labels_M,
            self.folds,
            seed=self.seed,
            view_seed=self.view_seed,
            device=device,
        )

    def identity(self) -> dict[str, object]:
        """What makes two trainings of one configuration the same, bit for bit: data, folds, seeds, threads.

        The gradients of convolution weights are summed a part a thread, in another order for another
        number of them; a training goes its own way from there.
        """
        cut = json.dumps([self.development.tolist(), [_fold_to_json(fold) for fold in self.folds]])
        return {
            "cohort": self.fingerprint,
            "folds": hashlib.sha256(cut.encode()).hexdigest()[:16],
            "seed": self.seed,
            "view_seed": self.view_seed,
            "thread count": self.threads,
        }

    def key(self, config: TrialConfig) -> str:
        """A hash over configuration and identity: a saved state goes on only where it agrees."""
        content = json.dumps([config.model_dump(), self.identity()], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def write(self, place: Place) -> None:
        """As JSON, for `read_assignment`."""
        content = {
            **{name: value for name, value in vars(self).items() if name not in ("development", "folds")},
            "arrays": str(self.arrays),
            "development": self.development.tolist(),
            "folds": [_fold_to_json(fold) for fold in self.folds],
        }
        write(place, json.dumps(content, indent=2).encode())

    def cohort(self) -> CohortArrays:
        """The cohort's arrays, on this node.

        Raises:
            BadInput: They are missing, damaged, or another cohort's.
        """
        return _open(self.arrays, self.fingerprint, self.origin)


@lru_cache(maxsize=4)
def read_assignment(place: Place) -> Assignment:
    """What `Assignment.write` wrote; read once a process."""
    content = json.loads(read(place))
    folds = tuple(_fold_from_json(fold) for fold in content.pop("folds"))
    development = np.array(content.pop("development"), dtype=np.int64)
    return Assignment(**{**content, "arrays": Path(content["arrays"])}, development=development, folds=folds)


@lru_cache(maxsize=4)
def _open(directory: Path, fingerprint: str, origin: str) -> CohortArrays:
    directory = arrays_here(directory, fingerprint, origin)
    arrays = open_arrays(directory)
    if arrays.fingerprint != fingerprint:
        raise BadInput(
            f"the cohort here has fingerprint {arrays.fingerprint[:12]}, the study's is {fingerprint[:12]}",
            where=str(directory),
            fix="Start a study of its own for the changed cohort",
        )
    return arrays


def _fold_to_json(fold: Fold) -> dict[str, object]:
    return {**vars(fold), "train": fold.train.tolist(), "held_out": fold.held_out.tolist()}


def _fold_from_json(content: dict[str, object]) -> Fold:
    return Fold(
        repeat=int(str(content["repeat"])),
        index=int(str(content["index"])),
        train=np.array(content["train"], dtype=np.int64),
        held_out=np.array(content["held_out"], dtype=np.int64),
    )
