"""The search stage: one Ray Tune sweep an arm, and the tables of everything that happened."""

from collections.abc import Mapping
from typing import Any

from study.pipeline.oof import replaced_oof
from study.pipeline.prepared import Prepared
from study.pipeline.progress import Progress
from study.record import write_frame
from study.regression.config import TrialConfig
from study.sweep.cluster import start_ray
from study.sweep.collect import collect_sweeps
from study.sweep.sweep import run_sweep, unfinished
from study.sweep.task import SweepTask


def search(prepared: Prepared, progress: Progress) -> None:
    """Search every arm that is not done; trials.parquet, curves.parquet and oof.parquet after each."""
    tasks = [_task(prepared, arm) for arm in prepared.spaces]
    left = unfinished(tasks)
    if left:
        prepared.check_storage()
        with start_ray(prepared.settings.resources.address):
            for task in left:
                _run(task, progress)
                _collect(prepared, tasks)
    _collect(prepared, tasks)


def is_searched(prepared: Prepared) -> bool:
    """Whether `search` would find nothing left to do."""
    return not unfinished([_task(prepared, arm) for arm in prepared.spaces])


def _collect(prepared: Prepared, tasks: list[SweepTask]) -> None:
    """Write the tables of all sweeps so far."""
    with replaced_oof(prepared.directory, "search") as keep:
        found = collect_sweeps(tasks, keep)
    write_frame(prepared.directory.trials, found.trials)
    write_frame(prepared.directory.curves, found.curves)


def _run(task: SweepTask, progress: Progress) -> None:
    config = task.space.constants
    reports = task.wanted * int(config.get("reports", TrialConfig.model_fields["reports"].default))
    with progress.stage(f"sweep {task.arm}", reports) as update:

        def show(state: Mapping[str, Any]) -> None:
            counts = ", ".join(
                f"{state[name]} {name}" for name in ("running", "done", "pruned", "failed") if state[name]
            )
            best = "" if state["best"] is None else f", best {state['best']:.4g}"
            update(state["reports"], f"{counts}{best}")

        run_sweep(task, progress=show, note=progress.note)


def _task(prepared: Prepared, arm: str) -> SweepTask:
    settings, directory = prepared.settings, prepared.directory
    return SweepTask(
        space=prepared.spaces[arm],
        trials=settings.budget.trials,
        hours=settings.budget.hours,
        arrays=prepared.arrays.directory,
        development=prepared.development,
        folds=prepared.folds,
        seed=settings.seed,
        # With the paper's values nothing is left to draw, and any sampler will do.
        sampler="random" if settings.search.sampler == "paper" else settings.search.sampler,
        scheduler=settings.search.scheduler,
        storage=settings.search.storage or directory.journal,
        study=prepared.name,
        directory=directory.sweeps / arm,
        states=prepared.states(directory.sweeps.name, arm),
        cpus_per_trial=settings.resources.cpus_per_trial,
        gpus_per_trial=settings.resources.gpus,
        threads=max(1, int(settings.resources.cpus_per_trial)),
        patience=60 * settings.resources.patience_minutes,
        bearable_failures=settings.search.failures,
        tracking=settings.tracking,
    )
