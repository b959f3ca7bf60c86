"""Optuna's samplers by name, seeded so that a search resumed is the search that never stopped."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any
from zlib import crc32

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, QMCSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

STARTUP = 5
"""Trials that TPE draws at random before it learns from any."""


class SeededByTrial(BaseSampler):
    """Draws each trial, and each field drawn on its own, from a seed of that trial and field.

    A sampler that goes on drawing from one stream is somewhere else in it after a kill; here only
    the study's seed, the trial's number and the trials before it count.

    Args:
        make: The sampler behind it, from a seed.
        seed: Of the whole study.
    """

    def __init__(self, make: Callable[[int], BaseSampler], seed: int) -> None:
        self.make, self.seed = make, seed
        # Draws nothing, but remembers which trials it has compared: anew, each trial would cost a look
        # at all before it.
        self.inferring = make(seed)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self.inferring.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        drawn: dict[str, Any] = self._of(trial).sample_relative(study, trial, search_space)
        return drawn

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:  # noqa: ANN401 - Optuna's own signature
        return self._of(trial, param_name).sample_independent(study, trial, param_name, param_distribution)

    def _of(self, trial: FrozenTrial, field: str = "") -> BaseSampler:
        entropy = [self.seed, trial.number, crc32(field.encode())]
        return self.make(int(np.random.SeedSequence(entropy).generate_state(1)[0]))


class PlacedByTrial(QMCSampler):
    """Takes the point of a trial's own number, whichever trials were drawn before.

    Optuna counts the points taken in the study's storage, where a trial that was killed between
    its draw and its record leaves a gap.
    """

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        self.place = trial.number
        drawn: dict[str, Any] = super().sample_relative(study, trial, search_space)
        return drawn

    def _find_sample_id(self, study: optuna.Study, search_space: dict[str, BaseDistribution]) -> int:
        return self.place


def _tpe(seed: int) -> TPESampler:
    return TPESampler(seed=seed, multivariate=True, constant_liar=True, n_startup_trials=STARTUP)


def _quasi_random(seed: int) -> QMCSampler:
    with warnings.catch_warnings():
        # Optuna calls it experimental at every construction; the version is pinned.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return PlacedByTrial(
            seed=seed,
            scramble=True,
            independent_sampler=SeededByTrial(RandomSampler, seed),
            warn_independent_sampling=False,
        )


SAMPLERS: Mapping[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: SeededByTrial(_tpe, seed),
    "random": lambda seed: SeededByTrial(RandomSampler, seed),
    "qmc": _quasi_random,
}
"""A sampler by name, from the study's seed."""
