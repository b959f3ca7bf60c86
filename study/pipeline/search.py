"""The search stage: one Ray Tune sweep an arm, and the tables of everything that happened."""

from collections.abc import Mapping
from typing import Any

from study.pipeline.prepared import Prepared
from study.pipeline.progress import Progress
from study.record import write_frame
from study.sweep.cluster import start_ray
from study.sweep.collect import collect_sweeps
from study.sweep.sweep import SweepTask, run_sweep, sweep_finished


def search(prepared: Prepared, progress: Progress) -> None:
    """Search every arm that is not done; trials.parquet, curves.parquet and oof.parquet after each."""
    tasks = [_task(prepared, arm) for arm in prepared.spaces]
    open_tasks = [task for task in tasks if not sweep_finished(task)]
    if open_tasks:
        with start_ray(prepared.settings.resources.address):
            for task in open_tasks:
                _run(task, prepared, progress)
                collect(prepared, tasks)
    collect(prepared, tasks)


def collect(prepared: Prepared, tasks: list[SweepTask]) -> None:
    """Write the three tables of all sweeps so far; rows of confirmations are kept."""
    directory = prepared.directory
    trials, curves, oof = collect_sweeps(tasks)
    write_frame(directory.trials, trials)
    write_frame(directory.curves, curves)
    write_frame(directory.oof, oof)


def _run(task: SweepTask, prepared: Prepared, progress: Progress) -> None:
    reports = task.trials * int(prepared.training.get("reports", 10))
    with progress.stage(f"sweep {task.arm}", reports) as update:

        def show(state: Mapping[str, Any]) -> None:
            best = state.get("best")
            note = f"best {best:.4g}" if best is not None else ""
            update(int(state["reports"]), note)

        run_sweep(task, progress=show)


def _task(prepared: Prepared, arm: str) -> SweepTask:
    settings, directory = prepared.settings, prepared.directory
    return SweepTask(
        arm=arm,
        space=prepared.spaces[arm],
        training=prepared.training,
        trials=settings.budget.trials,
        hours=settings.budget.hours,
        arrays=prepared.arrays.directory,
        development=prepared.development,
        folds=prepared.folds,
        seed=settings.seed,
        sampler=settings.search.sampler,
        scheduler=settings.search.scheduler,
        storage=settings.search.storage or directory.journal,
        directory=directory.sweeps / arm,
        cpus_per_trial=settings.resources.cpus_per_trial,
        gpus_per_trial=settings.resources.gpus_per_trial,
        threads=max(1, int(settings.resources.cpus_per_trial)),
    )
