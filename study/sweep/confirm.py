"""Re-training leading configurations for exactly the length their curve chose, as Ray tasks.

A job's `result.json` is written last: where it lies and answers the same question, the job is done.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray

from study.badinput import BadInput
from study.cohort.arrays import open_arrays
from study.cohort.split import Fold
from study.record import read_json, write_frame, write_json
from study.regression.config import TrialConfig
from study.regression.crossvalidation import Report
from study.regression.curve import judge
from study.regression.model import save_networks
from study.regression.training import DivergedError
from study.sweep.assignment import Assignment
from study.sweep.cluster import places, start_ray
from study.sweep.process import settle
from study.sweep.rows import describe, oof_frame

RESULT, MODEL, OOF = "result.json", "model.safetensors", "oof.parquet"
RETRIES = 2
"""Of a job whose worker died; one that raises is not tried again."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ConfirmJob:
    """One configuration, one seed.

    Args:
        arm: Its arm.
        trial: The trial that found it.
        config: To train.
        length: Presentations to train for, one of the configuration's report marks; the schedule is
            that of the whole budget.
        seed: Label of the seed, from 0.
        training_seed: Of initial weights, order and augmentation.
        view_seed: Of the fixed views, the study's.
        folds: Positions into the development scans.
        directory: Gets `result.json`, `oof.parquet` and `model.safetensors`.
    """

    arm: str
    trial: int
    config: TrialConfig
    length: int
    seed: int
    training_seed: int
    view_seed: int
    folds: tuple[Fold, ...]
    directory: Path


def run_jobs(
    jobs: Sequence[ConfirmJob],
    *,
    arrays: Path,
    development: NDArray[np.int64],
    cpus_per_trial: float,
    gpus_per_trial: float,
    threads: int,
    progress: Callable[[Mapping[str, object]], None],
) -> None:
    """Run every job that has no result yet; a job that fails is recorded and the others go on.

    Starts Ray on this machine unless it runs already.

    Args:
        jobs: To run, in order.
        arrays: Directory of the preprocessed cohort.
        development: (M,) positions of the development scans in it.
        cpus_per_trial: CPUs that a job occupies.
        gpus_per_trial: GPUs that a job occupies, or its share of one.
        threads: CPU threads a job computes with.
        progress: Called with `done`, `failed`, `total`.

    Raises:
        BadInput: The cohort or the resources do not fit.
    """
    base = Assignment(
        arrays=arrays.resolve(),
        fingerprint=open_arrays(arrays).fingerprint,
        development=np.asarray(development, dtype=np.int64),
        folds=(),
        seed=0,
        view_seed=0,
        threads=threads,
        gpus=gpus_per_trial,
    )
    todo = [(job, _assigned(base, job)) for job in jobs if not _is_done(job, _assigned(base, job))]
    counts = {"done": len(jobs) - len(todo), "failed": 0, "total": len(jobs)}
    progress(counts)
    if not todo:
        return
    with start_ray():
        places(cpus_per_trial, gpus_per_trial)
        resources = {"num_cpus": cpus_per_trial, "num_gpus": gpus_per_trial}
        remote = ray.remote(_train).options(**resources, max_retries=RETRIES)
        waiting = {remote.remote(job, assignment): (job, assignment) for job, assignment in todo}
        while waiting:
            (ready,), _ = ray.wait(list(waiting), num_returns=1)
            job, assignment = waiting.pop(ready)
            counts["done" if _finish(ready, job, assignment) else "failed"] += 1
            progress(counts)


def _assigned(base: Assignment, job: ConfirmJob) -> Assignment:
    return replace(base, folds=job.folds, seed=job.training_seed, view_seed=job.view_seed)


def _key(job: ConfirmJob, assignment: Assignment) -> str:
    return f"{assignment.key(job.config)}-{job.length}"


def _is_done(job: ConfirmJob, assignment: Assignment) -> bool:
    """Whether a result for this very question lies there; failures of machines are tried again."""
    path = job.directory / RESULT
    if not path.is_file():
        return False
    result = read_json(path)
    return bool(result["key"] == _key(job, assignment) and result["status"] != "failed")


def _finish(ready: "ray.ObjectRef[bool]", job: ConfirmJob, assignment: Assignment) -> bool:
    """Whether a job that has ended went well; the driver writes down what its worker could not."""
    try:
        well: bool = ray.get(ready)
        return well
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None) or error
        if isinstance(cause, BadInput):
            raise cause from None
        reason = next(iter(str(cause).strip().splitlines()[-1:]), type(cause).__name__)
        _write(job, assignment, status="failed", reason=f"{type(cause).__name__}: {reason}")
        return False


def _train(job: ConfirmJob, assignment: Assignment) -> bool:
    """In a worker: train to the length, then write model, predictions and, last, the result."""
    start = time.perf_counter()
    training = assignment.cross_validation(
        job.config, settle(threads=assignment.threads, gpus=assignment.gpus)
    )
    reports: list[Report] = []
    try:
        while training.presentations < job.length and not training.finished:
            reports.append(training.advance())
    except DivergedError as error:
        _write(job, assignment, status="diverged", reason=str(error))
        return False
    job.directory.mkdir(parents=True, exist_ok=True)
    save_networks(job.directory / MODEL, training.networks())
    write_frame(job.directory / OOF, _oof(job, assignment, reports[-1]))
    scores = _scores(job, assignment, reports)
    _write(job, assignment, status="completed", **scores, seconds=time.perf_counter() - start)
    return True


def _scores(job: ConfirmJob, assignment: Assignment, reports: list[Report]) -> dict[str, Any]:
    """The scores at the end: confirming chooses no length."""
    last = reports[-1]
    outcome = judge(
        np.stack([report.oof_RM for report in reports]),
        np.array([report.presentations for report in reports]),
        assignment.labels_M,
        job.config.loss,
    )
    return {
        "score": last.mae if job.config.loss == "mae" else last.mse,
        "mse": last.mse,
        "mae": last.mae,
        "icc": last.icc,
        "length": last.presentations,
        "verdict": outcome.verdict,
    }


def _oof(job: ConfirmJob, assignment: Assignment, report: Report) -> Any:  # noqa: ANN401
    cohort = open_arrays(assignment.arrays)
    return oof_frame(
        "confirm",
        job.arm,
        job.trial,
        job.seed,
        oof_RM=report.oof_RM,
        presentations=report.presentations,
        scans=[cohort.ids[position] for position in assignment.development],
        labels_M=assignment.labels_M,
    )


def _write(job: ConfirmJob, assignment: Assignment, *, status: str, reason: str = "", **scores: Any) -> None:  # noqa: ANN401
    content = {
        "key": _key(job, assignment),
        "arm": job.arm,
        "trial": job.trial,
        "seed": job.seed,
        "status": status,
        "reason": reason,
        "length": job.length,
        **scores,
        "training_scans": assignment.training_scans,
        **describe(job.config, assignment.training_scans),
    }
    write_json(job.directory / RESULT, content)
