"""The confirm stage: each arm's leading configurations again, with fresh seeds and redrawn folds."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from analysis.selection import select_trials, winner
from study.badinput import BadInput
from study.cohort.split import Fold
from study.pipeline.confirming import confirm_rows, confirm_watch
from study.pipeline.oof import replaced_oof
from study.pipeline.prepared import Prepared
from study.pipeline.progress import Progress
from study.record import read_frame, read_json, write_frame
from study.regression.config import TrialConfig
from study.sweep.cluster import start_ray
from study.sweep.confirm import run_jobs
from study.sweep.confirm_job import RESULT, ConfirmJob
from study.sweep.confirmed import collect_confirm


def confirm(prepared: Prepared, progress: Progress) -> None:
    """Train what is still missing, then write confirmed.parquet and the confirmations' rows of oof.parquet.

    Raises:
        BadInput: No trial of an arm completed, so there is nothing to confirm.
    """
    directory, jobs = prepared.directory, _jobs(prepared)
    train_jobs(prepared, jobs, directory.confirm, _told(prepared, jobs, progress))
    confirmed, oof = collect_confirm([job.directory for job in jobs])
    with replaced_oof(directory, "confirm") as keep:
        keep(oof)
    write_frame(directory.confirmed, confirmed)


def train_jobs(
    prepared: Prepared, jobs: Sequence[ConfirmJob], folder: Path, told: AbstractContextManager[dict[str, Any]]
) -> None:
    """Train those that have no result yet, on the study's cluster and with its resources.

    Args:
        prepared: The study.
        jobs: Whose directories lie in `folder`.
        folder: Of the study.
        told: Yields whom `run_jobs` tells where they stand.

    Raises:
        BadInput: As `run_jobs`, or what workers write cannot be kept in the storage.
        InterruptedInOrderError: Ctrl-C or SIGTERM; every running job has been saved.
    """
    resources, missing = prepared.settings.resources, _missing(jobs)
    if missing:
        prepared.check_storage()
    with start_ray(resources.address) if missing else nullcontext(), told as listeners:
        run_jobs(
            jobs,
            arrays=prepared.arrays.directory,
            development=prepared.development,
            cpus_per_trial=resources.cpus_per_trial,
            gpus_per_trial=resources.gpus,
            threads=resources.threads,
            states=prepared.states(folder.name),
            patience=60 * resources.patience_minutes,
            **listeners,
        )


@contextmanager
def _told(prepared: Prepared, jobs: list[ConfirmJob], progress: Progress) -> Iterator[dict[str, Any]]:
    """Whom the jobs tell where they stand: the live view, or the stage's line."""
    varied = {arm: list(space.searched) for arm, space in prepared.spaces.items()}
    with ExitStack() as stack:
        show = stack.enter_context(progress.arms("confirm", confirm_rows(jobs))) if _missing(jobs) else None
        if show is not None:
            yield {"progress": lambda state: None, "watch": confirm_watch(jobs, varied, show)}
        else:
            update = stack.enter_context(progress.stage("confirm", len(jobs)))
            yield {"progress": lambda state: update(state["done"])}


def winners(prepared: Prepared) -> dict[str, int]:
    """The winning trial of each arm: the lowest confirmed mean.

    Raises:
        BadInput: No confirmation of an arm succeeded.
    """
    confirmed = read_frame(prepared.directory.confirmed)
    found = {}
    for arm in prepared.spaces:
        if not (confirmed.loc[confirmed["arm"] == arm, "status"] == "completed").any():
            raise BadInput(
                f"no confirmation of the arm `{arm}` succeeded",
                where=str(prepared.directory.confirmed),
                fix="Its column `reason` says why",
            )
        found[arm] = int(winner(confirmed, arm))
    return found


def _missing(jobs: Sequence[ConfirmJob]) -> bool:
    """Whether there is something to run: failures are tried again, see `is_done`."""
    paths = [job.directory / RESULT for job in jobs]
    return not all(path.is_file() and read_json(path)["status"] != "failed" for path in paths)


def _jobs(prepared: Prepared) -> list[ConfirmJob]:
    directory, wanted = prepared.directory, prepared.settings.confirm
    trials, jobs = read_frame(directory.trials), []
    for arm in prepared.spaces:
        leading = select_trials(trials, arm, wanted.top)
        if leading.empty:
            raise BadInput(
                f"no trial of the arm `{arm}` completed",
                where=str(directory.trials),
                fix="Its column `reason` says why; extend the search with `setsum extend`",
            )
        for row in leading.to_dict("records"):
            for number in range(wanted.seeds):
                folds = prepared.folds_of(prepared.confirm_seed(number))
                jobs.append(job_of(prepared, row, number, folds, directory.confirm))
    return jobs


def job_of(
    prepared: Prepared, row: Mapping[Any, Any], number: int, folds: tuple[Fold, ...], folder: Path
) -> ConfirmJob:
    """The training of a configuration with a fresh seed.

    Args:
        prepared: The study.
        row: Of the configuration: `arm`, `trial`, `config`, `length`.
        number: Of the seed.
        folds: Positions into the development scans.
        folder: Of the study, which gets the job's directory.
    """
    arm, trial = str(row["arm"]), int(row["trial"])
    name = f"{trial:05d}-{number}"
    return ConfirmJob(
        arm=arm,
        trial=trial,
        config=TrialConfig.model_validate_json(row["config"]),
        length=int(row["length"]),
        seed=number,
        training_seed=prepared.confirm_seed(number),
        view_seed=prepared.settings.seed,
        folds=folds,
        directory=folder / arm / name,
        place=prepared.states(folder.name, arm, name),
    )
