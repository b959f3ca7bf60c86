"""The search of one arm: started, resumed and extended by the same call.

Optuna's storage knows which trials exist and how they ended. Each run of Ray Tune has a directory of
its own below the arm's and asks for trials that are still missing, interrupted ones first.
"""

import gc
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from threading import Event
from typing import Any

import optuna
import ray
from filelock import FileLock, Timeout
from optuna.storages import BaseStorage
from optuna.trial import TrialState
from ray import tune
from ray.tune.schedulers import FIFOScheduler

from study.badinput import BadInput
from study.regression.allocator import return_freed_memory
from study.regression.config import TrialConfig
from study.sweep.cluster import places, start_ray
from study.sweep.domains import Searched
from study.sweep.failures import bearable, check_failures
from study.sweep.following import wanted
from study.sweep.held import hold_once
from study.sweep.interrupt import InterruptedInOrderError, orderly_end
from study.sweep.nodes import ready
from study.sweep.place import below
from study.sweep.rebuilt import recorded_trials
from study.sweep.recorder import Progress, Recorder, trial_folder
from study.sweep.results import Results, seconds_used
from study.sweep.schedulers import AshaWithinSetSize, make_scheduler
from study.sweep.searcher import LOST, StudySearch
from study.sweep.spaces import Space
from study.sweep.stopping import Stopping
from study.sweep.stored import DATABASE_ERRORS, GONE, database_at_hand, ended, open_storage, open_study
from study.sweep.task import SweepTask
from study.sweep.tracking import Note, tracked
from study.sweep.trainable import SetSumTrial

LOT, LOT_EACH = 200, 20
"""Most trials of one run, in all or for each that runs at a time, whichever is more.

Ray's driver holds on to every trial of a run until that is over; but the last of a run are waited for.
"""
ASSIGNMENT = "assignment.json"
CHECKPOINTS = 4
"""A trial is saved about this often in its life."""
RETRIES = 3
"""Of a trial whose process died; Ray counts a death twice when it comes between two trials."""
OS_ERRORS = ("OSError", "FileNotFoundError", "PermissionError", "BlockingIOError", "TimeoutError")
"""How a traceback's last line begins when storage was at fault."""


def run_sweep(task: SweepTask, *, progress: Progress, note: Note = lambda line: None) -> None:
    """Search an arm until its trials or hours are spent; a finished arm returns at once.

    Starts Ray on this machine unless it runs already. `note` is told of tracking that fails.

    Raises:
        BadInput: The space, the stored search, the cohort or the resources do not fit, or more trials
            failed than the task bears.
        InterruptedInOrderError: Ctrl-C or SIGTERM; every running trial has been saved.
        OSError: The search's storage or the disk was lost on the way.
    """
    task.check()
    with _alone(task.directory), database_at_hand(), ExitStack() as stack:
        study = _open(task)
        if _spent(task, study):
            return
        check_failures(task, study)
        if not ray.is_initialized():
            stack.enter_context(start_ray())
        asked = stack.enter_context(orderly_end())
        while not _spent(task, study):
            before = len(ended(study))
            _fit(task, study, progress, note, asked)
            hold_once(ended(study))
            # Ray's trials hold each other: they would stay until Python happens to look for cycles.
            gc.collect()
            return_freed_memory()
            check_failures(task, study)
            if asked.is_set():
                raise InterruptedInOrderError
            if not task.timed and len(ended(study)) <= before:
                raise OSError(LOST)


def is_finished(task: SweepTask) -> bool:
    """Whether `run_sweep` would return at once.

    Raises:
        BadInput: As `run_sweep`, before any trial.
    """
    return not unfinished([task])


def unfinished(tasks: Sequence[SweepTask]) -> list[SweepTask]:
    """The searches that are not finished; a storage that they share is opened, and read through, once.

    Raises:
        BadInput: As `run_sweep`, before any trial.
    """
    opening = cache(open_storage)
    for task in tasks:
        task.check()
    return [task for task in tasks if not _spent(task, _open(task, opening))]


def _open(task: SweepTask, opening: Callable[[str | Path], BaseStorage] = open_storage) -> optuna.Study:
    return open_study(
        task.space,
        opening(task.storage),
        name=task.stored_as,
        sampler=task.sampler,
        seed=task.seed,
        identity=task.assignment().identity(),
        started=len({path.name for path in task.directory.glob("run-*/trial-*")}),
        recorded=lambda: recorded_trials(task),
    )


def _seconds_left(task: SweepTask) -> float:
    return (task.hours or 0.0) * 3600 - seconds_used(task.directory)


def _spent(task: SweepTask, study: optuna.Study) -> bool:
    if task.timed:
        return _seconds_left(task) <= 0
    return len(ended(study)) >= task.wanted


def _fit(task: SweepTask, study: optuna.Study, progress: Progress, note: Note, asked: Event) -> None:
    stopping = Stopping(asked, bearable(task, study))
    lot = max(LOT, LOT_EACH * places(task.cpus_per_trial, task.gpus_per_trial))
    assignment = ready(task.assignment(), task.states)
    run = _next_run(task.directory)
    assignment.write(below(task.states, run.name, ASSIGNMENT))
    scheduler, pruned = _scheduler(task, study)
    searcher = StudySearch(
        task.space,
        study,
        describe=lambda number, config: _ray_config(task, run.name, number, config),
        pruned=pruned,
        attributes={**task.attributes(), "run": run.name},
        ending=asked.is_set,
        room=wanted(task.cpus_per_trial, task.gpus_per_trial),
    )
    reports = _largest(task.space, "reports")
    recorder = Recorder(
        run,
        task.arm,
        states=task.states,
        progress=progress,
        counts=_counts(task, study),
        reports=reports,
        trials=0 if task.timed else task.wanted,
        pruned=pruned,
        stopping=stopping,
        patience=task.patience,
    )
    with _quiet(), tracked(task, pruned, note) as tracking:
        tuner = tune.Tuner(
            tune.with_resources(SetSumTrial, {"cpu": task.cpus_per_trial, "gpu": task.gpus_per_trial}),
            tune_config=_tune_config(task, study, searcher, scheduler, lot),
            run_config=_run_config(task, run.name, [recorder, *tracking], stopping, reports),
        )
        try:
            tuner.fit()
        except ray.tune.TuneError as error:
            # Tune wraps what its searcher and callbacks raise, in words only.
            lines = str(error).splitlines()
            if found := [line for line in lines if line.startswith(OS_ERRORS)]:
                raise OSError(found[-1]) from error
            if found := [line for line in lines if line.startswith(DATABASE_ERRORS)]:
                raise OSError(f"{GONE} ({found[0]})") from error
            raise


def _tune_config(
    task: SweepTask,
    study: optuna.Study,
    searcher: StudySearch,
    scheduler: FIFOScheduler,
    lot: int,
) -> tune.TuneConfig:
    return tune.TuneConfig(
        search_alg=searcher,
        scheduler=scheduler,
        num_samples=lot if task.timed else min(lot, task.wanted - len(ended(study))),
        time_budget_s=_seconds_left(task) if task.timed else None,
        reuse_actors=True,
        trial_dirname_creator=lambda trial: trial_folder(trial.config["trial"]),
    )


def _run_config(
    task: SweepTask, run: str, callbacks: list[tune.Callback], stopping: Stopping, reports: int
) -> tune.RunConfig:
    return tune.RunConfig(
        name=run,
        storage_path=task.states,
        verbose=0,
        # Which prints nothing then; what Ray takes in a notebook empties the cell even so.
        progress_reporter=tune.CLIReporter(),
        callbacks=callbacks,
        stop=stopping,
        failure_config=tune.FailureConfig(max_failures=RETRIES),
        # The recorder removes superseded ones.
        checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=max(1, reports // CHECKPOINTS)),
    )


def _ray_config(task: SweepTask, run: str, number: int, config: TrialConfig) -> dict[str, object]:
    return {
        "trial": number,
        "config": config.model_dump(),
        "assignment": below(task.states, run, ASSIGNMENT),
        "sweep": task.states,
    }


def _scheduler(task: SweepTask, study: optuna.Study) -> tuple[FIFOScheduler, set[str]]:
    """The scheduler, and the set in which it keeps the Ray ids of those it stopped."""
    scheduler = make_scheduler(task.scheduler, _largest(task.space, "presentations"))
    if not isinstance(scheduler, AshaWithinSetSize):
        return scheduler, set()
    earlier = Results(task.directory)
    for trial in study.get_trials(deepcopy=False):
        rows = [row for row in earlier.get(trial.number, []) if row.get("oof")]
        if rows:
            scheduler.recall(task.space.resolve(trial.params).n, trial.number, rows)
    return scheduler, scheduler.stopped


def _largest(space: Space, field: str) -> int:
    """The largest value that a whole-numbered field has in any trial."""
    entry = space.searched.get(field)
    if isinstance(entry, Searched):
        return max(int(value) for value in entry.extremes())
    return int(space.constants.get(field, TrialConfig.model_fields[field].default))


def _counts(task: SweepTask, study: optuna.Study) -> dict[str, Any]:
    trials = ended(study)
    done = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    scored = [(trial.value, trial.number, trial) for trial in done if trial.value is not None]
    best = min(scored, default=None)
    return {
        "done": len(done),
        "failed": sum(trial.state == TrialState.FAIL for trial in trials),
        "pruned": sum(trial.state == TrialState.PRUNED for trial in trials),
        "best": best[0] if best else None,
        "best_config": task.space.resolve(best[2].params).model_dump() if best else None,
    }


def _next_run(directory: Path) -> Path:
    """A new run directory; absolute, because Ray takes nothing else."""
    taken = [int(path.name.removeprefix("run-")) for path in directory.glob("run-*")]
    run = directory.resolve() / f"run-{max(taken, default=0) + 1:04d}"
    run.mkdir(parents=True)
    return run


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Only one process searches an arm: two would each take the other's trials for interrupted ones."""
    directory.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(directory / ".lock", timeout=0):
            yield
    except Timeout:
        raise BadInput(
            "another process is searching this arm", where=str(directory), fix="Wait for it, or end it"
        ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """What Ray has to say stays out of the progress display; errors are recorded trial by trial."""
    loggers = [logging.getLogger(name) for name in ("ray", "ray.tune")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
