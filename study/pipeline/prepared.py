"""A prepared study, as every later stage sees it: settings, cohort, split, folds and spaces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.badinput import BadInput
from study.builtin import built_in_arms
from study.cohort.arrays import CohortArrays
from study.cohort.rows import Rows
from study.cohort.split import Fold
from study.pipeline.division import study_folds
from study.record import StudyDirectory, read_json
from study.settings import StudySettings
from study.sweep.place import below, check_place
from study.sweep.spaces import (
    Space,
    at_paper,
    check_space,
    check_trials,
    read_space,
    with_training,
)

PAPER_TRAINING: Mapping[str, Any] = {
    "optimiser": "adadelta",
    "learning_rate": 1.0,
    "averaging": 0.0,
    "blank": "image",
    "scale_labels": False,
    "bias_at_mean": False,
    "views": 1,
}
"""`protocol: paper`: training as published (paper, section 3), where a study file does not say otherwise."""


@dataclass(frozen=True)
class Prepared:
    """Everything the later stages read, all of it derived from the study directory."""

    directory: StudyDirectory
    settings: StudySettings
    arrays: CohortArrays
    development: NDArray[np.int64]
    test: NDArray[np.int64]

    @cached_property
    def spaces(self) -> dict[str, Space]:
        """The arms' search spaces, checked against the size of the training folds."""
        return checked_spaces(self.settings, self.folds)

    @property
    def labels_M(self) -> NDArray[np.float64]:
        """Labels of the development scans."""
        return self.arrays.labels[self.development]

    @property
    def images_MDHW(self) -> Rows:
        """The development scans, read as they are needed."""
        return Rows(self.arrays.images_MDHW, self.development)

    @cached_property
    def folds(self) -> tuple[Fold, ...]:
        """The folds of the search."""
        return self.folds_of(self.settings.seed)

    def states(self, *names: str) -> str:
        """Where workers keep what belongs to a folder of the study: that folder, or its like in storage.

        Args:
            names: Of the folder, from the study directory down.
        """
        storage = self.settings.resources.storage
        return below(self.directory.root if storage is None else below(storage, self.name), *names)

    def check_storage(self) -> None:
        """See that the workers' files can be kept.

        Raises:
            BadInput: They cannot.
        """
        if self.settings.resources.storage is not None:
            check_place(self.settings.resources.storage)

    @cached_property
    def name(self) -> str:
        """The study's own in storage and databases, which several studies may share."""
        return own_name(self.directory)

    def folds_of(self, seed: int) -> tuple[Fold, ...]:
        """Folds within the development scans, drawn from a seed."""
        return study_folds(self.settings, self.arrays, self.development, seed)

    def confirm_seed(self, number: int) -> int:
        """Training seed of a confirmation: fresh, and the same for every configuration."""
        return int(np.random.SeedSequence([self.settings.seed, 1, number]).generate_state(1)[0] >> 1)


def own_name(directory: StudyDirectory) -> str:
    """A study's own name, given to it when it began; older ones have their folder's."""
    return str(read_json(directory.provenance).get("name", directory.root.name))


def fixed_training(settings: StudySettings) -> dict[str, Any]:
    """The configuration fields that a study holds fixed in every arm."""
    published = PAPER_TRAINING if settings.validation.protocol == "paper" else {}
    precision = "float32" if settings.precision == "auto" else settings.precision
    own = {"precision": precision, "presentations": settings.budget.presentations}
    return {**published, **own, **settings.training}


def read_spaces(settings: StudySettings) -> dict[str, Space]:
    """The search spaces of a study's arms by name, with the study's own fields fixed in them.

    Raises:
        BadInput: An arm is unknown or named twice, its file does not fit, or its trials do not suffice.
    """
    spaces: dict[str, Space] = {}
    for name in settings.arms:
        space = with_training(read_space(_space_file(name)), fixed_training(settings))
        if settings.search.sampler == "paper":
            space = at_paper(space)
        if settings.budget.hours is None:
            check_trials(space, settings.budget.trials)
        if space.arm in spaces:
            raise BadInput(f"`{space.arm}` is named twice", where="arms", fix="Name each arm once")
        spaces[space.arm] = space
    return spaces


def checked_spaces(settings: StudySettings, folds: Sequence[Fold]) -> dict[str, Space]:
    """`read_spaces`, their set sizes checked against the smallest training fold.

    Raises:
        BadInput: As `read_spaces`, or sets are larger than a training fold.
    """
    spaces = read_spaces(settings)
    for space in spaces.values():
        check_space(space, min(len(fold.train) for fold in folds))
    return spaces


def _space_file(name: str) -> Path:
    """The search-space file of an arm: a built-in name, or a path."""
    known = built_in_arms()
    if name not in known and not name.endswith(".yaml"):
        raise BadInput(
            f"there is no built-in arm `{name}`",
            where="arms",
            fix=f"Choose from {', '.join(known)}, or give the path of a .yaml file",
        )
    return known.get(name, Path(name))
