"""Which running trials may go on: all of them (`fifo`), or the better ones among equals (`asha`).

ASHA compares only trials of equal set size n, at equal presentations: larger n leave "predict the
mean" later, and a comparison across n would stop them for the wrong reason.
"""

from collections.abc import Iterable, Mapping
from math import isfinite
from types import SimpleNamespace
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, TrialScheduler

from study.badinput import BadInput

NAMES = ("fifo", "asha")
FIRST_RUNG = 4
"""A trial is first judged at this fraction of its budget (1/4), then each time twice as far."""


class AshaWithinSetSize(FIFOScheduler):
    """One asynchronous successive halving per n.

    Trials are known to it by their Optuna number, which outlives a run, so that the rungs of
    earlier runs can be filled in again.

    Args:
        budget: Presentations of a whole training.
    """

    def __init__(self, budget: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.budget = budget
        self.stopped: set[str] = set()
        """Ray ids of the trials that were stopped early."""
        self._of_size: dict[int, Any] = {}

    def recall(self, n: int, number: int, results: Iterable[Mapping[str, Any]]) -> None:
        """Fill in the rungs that a trial of an earlier run reached; results in order of presentations."""
        halving, known = self._halving(n), _known_as(number)
        halving.on_trial_add(None, known)
        for result in results:
            if isfinite(result["smoothed"]):
                halving.on_trial_result(None, known, dict(result))

    def on_trial_add(self, tune_controller: object, trial: Trial) -> None:
        self._halving_of(trial).on_trial_add(tune_controller, _known_as(trial.config["trial"]))

    def on_trial_result(self, tune_controller: object, trial: Trial, result: dict[str, Any]) -> str:
        known = _known_as(trial.config["trial"])
        decision: str = self._halving_of(trial).on_trial_result(tune_controller, known, result)
        if decision == TrialScheduler.STOP:
            self.stopped.add(trial.trial_id)
        return decision

    def on_trial_complete(self, tune_controller: object, trial: Trial, result: dict[str, Any]) -> None:
        if isfinite(result["smoothed"]):
            known = _known_as(trial.config["trial"])
            self._halving_of(trial).on_trial_complete(tune_controller, known, result)

    def on_trial_remove(self, tune_controller: object, trial: Trial) -> None:
        self._halving_of(trial).on_trial_remove(tune_controller, _known_as(trial.config["trial"]))

    def debug_string(self) -> str:
        return "; ".join(f"n = {n}: {halving.debug_string()}" for n, halving in self._of_size.items())

    def _halving_of(self, trial: Trial) -> Any:  # noqa: ANN401 - it is handed stand-ins for trials
        return self._halving(trial.config["config"]["n"])

    def _halving(self, n: int) -> Any:  # noqa: ANN401 - as above
        if n not in self._of_size:
            self._of_size[n] = AsyncHyperBandScheduler(
                time_attr="presentations",
                metric="smoothed",
                mode="min",
                # Beyond the budget: the end of a training is the training's own business.
                max_t=self.budget + 1,
                grace_period=max(1, self.budget // FIRST_RUNG),
                reduction_factor=2,
            )
        return self._of_size[n]


def make_scheduler(name: str, budget: int) -> FIFOScheduler:
    """A scheduler by name; `budget` in presentations.

    Raises:
        BadInput: An unknown name.
    """
    if name not in NAMES:
        raise BadInput(f"`scheduler` is one of {', '.join(NAMES)}, got {name}", where="scheduler")
    return AshaWithinSetSize(budget) if name == "asha" else FIFOScheduler()  # type: ignore[no-untyped-call]


def _known_as(number: int) -> SimpleNamespace:
    return SimpleNamespace(trial_id=str(number))
