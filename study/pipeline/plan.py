"""What a study would come to before it is begun: trials, presentations, time, disk, memory.

Counted where it can be counted; time and memory are those of a short rehearsal on this machine.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, prod

import numpy as np

from study.badinput import BadInput
from study.cohort.split import Fold
from study.pipeline.choices import Choices, choose
from study.pipeline.division import Listing, draw_split, listing, positions, study_folds
from study.pipeline.prepare import settings_cohort
from study.pipeline.prepared import checked_spaces
from study.pipeline.rehearsal import Pace, Rehearse, Stage, rehearse_together, report_bytes
from study.regression.config import TrialConfig
from study.settings import StudySettings
from study.sweep.here import places_on, this_node
from study.sweep.packing import heaviest
from study.sweep.spaces import Space
from study.sweep.task import wanted_trials

BYTES_A_VOXEL = 4
WHOLE_REPORT_PARTS = 2
"""A trial's last report predicts all scans once more by networks that know them, and as they are."""


@dataclass(frozen=True, kw_only=True)
class ArmPlan:
    """An arm's search and confirmation.

    Args:
        arm: Its name.
        trials: Of the search; None where hours decide.
        networks: Trained by the search, one a trial and fold.
        presentations: Of all these networks, at most.
        trial_s: Seconds of one trial.
        search_s: Seconds of the search.
        confirmations: Trainings of the confirmation.
        confirm_networks: Of these.
        confirm_presentations: Of these, at most: they train for the length that the search chose.
    """

    arm: str
    trials: int | None
    networks: int | None
    presentations: int | None
    trial_s: float
    search_s: float
    confirmations: int
    confirm_networks: int
    confirm_presentations: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A study before it is begun; sizes in bytes, times in seconds.

    `start_s` is how long a worker process takes to be ready, which each arm waits for once.
    """

    scans: int
    phantom: bool
    development: int
    test: int
    folds: int
    arms: tuple[ArmPlan, ...]
    choices: Choices
    search_s: float
    confirm_s: float
    start_s: float
    disk: Mapping[str, int]
    memory_a_trial: float
    at_once: int


def plan_study(
    settings: StudySettings,
    nodes: Sequence[dict[str, float]],
    rehearse: Rehearse = rehearse_together,
) -> Plan:
    """The plan of one study, as `prepare` would divide its cohort; makes no folder.

    Labels are read, voxels are not.

    Args:
        settings: Of a single study, no series.
        nodes: Resources of the machines that trials would run on.
        rehearse: Takes the pace of configurations.

    Raises:
        BadInput: Cohort, split, folds, arms and resources do not fit together.
    """
    cohort = _listing(settings)
    development, test = draw_split(settings, cohort)
    folds = study_folds(settings, cohort, positions(cohort, development), settings.seed)
    choices = choose(settings, nodes)
    if choices.at_once == 0:
        raise BadInput(
            f"there is no room for a single trial ({choices.reasons['at_once']})",
            fix="Lower --cpus-per-trial or --gpus-per-trial",
        )
    spaces = checked_spaces(settings.model_copy(update={"precision": choices.precision}), folds)
    paces, start_s = _paces(settings, spaces, choices, rehearse)
    arms = [_arm(settings, space, folds, paces[arm], choices.at_once) for arm, space in spaces.items()]
    jobs = [arm.trial_s for arm in arms for _ in range(arm.confirmations)]
    return Plan(
        scans=len(cohort.ids),
        phantom=settings.cohort.path is None,
        development=len(development),
        test=len(test),
        folds=len(folds),
        arms=tuple(arms),
        choices=choices,
        search_s=sum(arm.search_s for arm in arms),
        confirm_s=makespan(jobs, choices.at_once),
        start_s=start_s * (1 + len(arms)),
        disk=_disk(settings, len(cohort.ids), folds, arms, paces["heaviest"], choices.at_once),
        memory_a_trial=max(pace.peak_bytes for pace in paces.values()),
        at_once=choices.at_once,
    )


def makespan(jobs: Sequence[float], at_once: int) -> float:
    """Seconds until jobs, begun in order wherever a place is free, have all ended."""
    places = [0.0] * at_once
    for seconds in jobs:
        heapq.heapreplace(places, places[0] + seconds)
    return max(places)


def _listing(settings: StudySettings) -> Listing:
    """The cohort without images; a phantom that is not made yet has as many scans as it will."""
    if settings.cohort.path is not None:
        return listing(settings_cohort(settings))
    names = tuple(f"scan-{number}" for number in range(settings.phantom.scans))
    return Listing(ids=names, labels=np.arange(1.0, len(names) + 1), sites=("",) * len(names), groups=names)


def typical(space: Space) -> TrialConfig:
    """The configuration that stands for a space: its default, or an end of a field without one."""
    sample = {
        field: entry.extremes()[0] if entry.default is None else entry.default
        for field, entry in space.searched.items()
    }
    return space.resolve(sample)


def _paces(
    settings: StudySettings, spaces: Mapping[str, Space], choices: Choices, rehearse: Rehearse
) -> tuple[dict[str, Pace], float]:
    """The pace of each arm's typical configuration and of the `heaviest` of all, alike ones measured once."""
    configs = {arm: typical(space) for arm, space in spaces.items()}
    configs["heaviest"] = heaviest(list(spaces.values()))
    kinds = {_kind(config): config for config in configs.values()}
    here = places_on([this_node()], settings.resources.cpus_per_trial, choices.gpus)
    stage = Stage(
        shape=settings.preprocessing.shape,
        device=choices.device,
        threads=choices.threads,
        at_once=1 if choices.device == "cuda" else max(1, min(choices.at_once, here)),
    )
    paces, started = rehearse(list(kinds.values()), stage)
    found = dict(zip(kinds, paces, strict=True))
    return {arm: found[_kind(config)] for arm, config in configs.items()}, started


def _kind(config: TrialConfig) -> TrialConfig:
    """Configurations with equal kinds go at the same pace."""
    rates = {"learning_rate": 1e-4, "weight_decay": float(config.weight_decay > 0)}
    return config.model_copy(update={**rates, "dropout": 0.5 if config.dropout else 0.0})


def _arm(settings: StudySettings, space: Space, folds: Sequence[Fold], pace: Pace, at_once: int) -> ArmPlan:
    config, wanted = typical(space), settings.confirm
    trial_s = _trial_seconds(config, folds, pace)
    each = len(folds) * config.presentations
    trials = wanted_trials(space, settings.budget.trials)
    hours = settings.budget.hours if space.searched else None
    confirmations = (min(wanted.top, trials) if hours is None else wanted.top) * wanted.seeds
    return ArmPlan(
        arm=space.arm,
        trials=trials if hours is None else None,
        networks=trials * len(folds) if hours is None else None,
        presentations=trials * each if hours is None else None,
        trial_s=trial_s,
        search_s=ceil(trials / at_once) * trial_s if hours is None else hours * 3600,
        confirmations=confirmations,
        confirm_networks=confirmations * len(folds),
        confirm_presentations=confirmations * each,
    )


def _trial_seconds(config: TrialConfig, folds: Sequence[Fold], pace: Pace) -> float:
    held_out = sum(len(fold.held_out) for fold in folds)
    trained = len(folds) * config.presentations * pace.presentation_s
    return trained + (config.reports + WHOLE_REPORT_PARTS) * held_out * pace.prediction_s


def _disk(
    settings: StudySettings,
    scans: int,
    folds: Sequence[Fold],
    arms: Sequence[ArmPlan],
    pace: Pace,
    at_once: int,
) -> dict[str, int]:
    """Bytes by what they are: arrays of the cohort, the phantom's files (before they are compressed),
    recorded reports, models, checkpoints of what runs."""
    grid = prod(settings.preprocessing.shape)
    itemsize = np.dtype(settings.preprocessing.dtype).itemsize
    phantom = 0 if settings.cohort.path else scans * prod(settings.phantom.shape) * BYTES_A_VOXEL
    held_out = sum(len(fold.held_out) for fold in folds)
    reports = int(settings.training.get("reports", TrialConfig.model_fields["reports"].default))
    recorded = sum((arm.trials or 0) * reports * report_bytes(held_out) for arm in arms)
    # A checkpoint holds weights, their average and the optimiser's moments beside few other things.
    model = pace.state_bytes // 4
    trainings = sum(arm.confirmations for arm in arms)
    exported = settings.confirm.seeds * len(arms)
    return {
        "cohort": scans * grid * itemsize,
        "phantom": phantom,
        "reports": recorded,
        "models": (trainings + exported) * len(folds) * model,
        "checkpoints": at_once * len(folds) * pace.state_bytes,
    }
