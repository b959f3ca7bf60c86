"""Re-training leading configurations, as Ray tasks: started, watched, tried again."""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event

import numpy as np
import ray
from numpy.typing import NDArray

from study.badinput import BadInput
from study.cohort.arrays import open_arrays
from study.record import write_text
from study.regression.named import source_text
from study.regression.objective import is_out_of_memory
from study.sweep.assignment import Assignment
from study.sweep.cluster import places, remotely, start_ray
from study.sweep.confirm_job import TRACE, ConfirmJob, bring_home, is_done, reports_saved, train, write_result
from study.sweep.following import following
from study.sweep.interrupt import InterruptedInOrderError, orderly_end
from study.sweep.nodes import ready
from study.sweep.place import is_remote

ATTEMPTS = 3
"""Of a job whose process died, hung, or ran out of memory; one that raises otherwise is not tried again."""
LOOK_EVERY_S, LOOK_FAR_EVERY_S = 0.5, 5.0
"""At the jobs' reports, where they lie on a disk and in a bucket."""

Progress = Callable[[Mapping[str, object]], None]
Watch = Callable[[Mapping[ConfirmJob, str]], None]
Start = Callable[[ConfirmJob, Assignment], "ray.ObjectRef[bool]"]


@dataclass(kw_only=True)
class _Work:
    """A job on its way, and the last sign of life."""

    job: ConfirmJob
    assignment: Assignment
    attempt: int = 1
    saved: str = ""
    heard: float = field(default_factory=time.monotonic)

    def news(self) -> bool:
        """Whether a report has been saved since the last look."""
        saved = reports_saved(self.job)
        new = saved != self.saved
        if new:
            self.saved, self.heard = saved, time.monotonic()
        return new


def run_jobs(
    jobs: Sequence[ConfirmJob],
    *,
    arrays: Path,
    development: NDArray[np.int64],
    cpus_per_trial: float,
    gpus_per_trial: float,
    threads: int,
    states: str,
    patience: float,
    progress: Progress,
    watch: Watch = lambda running: None,
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
        states: Folder of all jobs' places.
        patience: Seconds without a report after which a job counts as hung.
        progress: Called with `done`, `failed`, `total`.
        watch: Called now and then with the running jobs, each with its saved reports (see `reports_saved`).

    Raises:
        BadInput: The cohort or the resources do not fit, or a regressor's file cannot be read.
        InterruptedInOrderError: Ctrl-C or SIGTERM; every running job has been saved.
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
    assigned = [(job, _given(job, base)) for job in jobs]
    todo = [_Work(job=job, assignment=given) for job, given in assigned if not is_done(job, given)]
    counts = {"done": len(jobs) - len(todo), "failed": 0, "total": len(jobs)}
    progress(counts)
    if not todo:
        return
    with start_ray(), orderly_end() as asked:
        places(cpus_per_trial, gpus_per_trial)
        room = following(cpus_per_trial, gpus_per_trial)
        shared = ready(base, states)
        for work in todo:
            work.assignment = replace(work.assignment, origin=shared.origin)
        remote = remotely(train, cpus=cpus_per_trial, gpus=gpus_per_trial, retries=0)

        def ended(well: bool) -> None:
            counts["done" if well else "failed"] += 1
            progress(counts)

        _work_through(todo, remote.remote, room, patience, asked, ended, watch)
        if asked.is_set():
            # The last ones ended by themselves; what comes after them was not to begin.
            raise InterruptedInOrderError


def _given(job: ConfirmJob, base: Assignment) -> Assignment:
    return replace(
        base,
        folds=job.folds,
        seed=job.training_seed,
        view_seed=job.view_seed,
        regressor=source_text(job.config.regressor),
    )


def _work_through(
    todo: Sequence[_Work],
    start: Start,
    room: Callable[[], int],
    patience: float,
    asked: Event,
    ended: Callable[[bool], None],
    watch: Watch,
) -> None:
    waiting, running = deque(todo), dict[ray.ObjectRef[bool], _Work]()
    every = LOOK_FAR_EVERY_S if is_remote(todo[0].job.place) else LOOK_EVERY_S
    while waiting or running:
        while waiting and len(running) < room() and not asked.is_set():
            work = waiting.popleft()
            work.saved, work.heard = reports_saved(work.job), time.monotonic()
            running[start(work.job, work.assignment)] = work
        if not running:
            if asked.is_set():
                raise InterruptedInOrderError
            # Every node with room is away.
            time.sleep(LOOK_EVERY_S)
            continue
        ready, _ = ray.wait(list(running), num_returns=1, timeout=every)
        for task in ready:
            work = running.pop(task)
            well = _finish(task, work)
            if well is None:
                work.attempt += 1
                waiting.appendleft(work)
            else:
                ended(well)
        for task, work in list(running.items()):
            if work.news() and asked.is_set():
                ray.cancel(task, force=True)
                waiting.append(running.pop(task))
            elif time.monotonic() - work.heard > patience:
                work.heard = time.monotonic()
                ray.cancel(task, force=True)
        watch({work.job: work.saved for work in running.values()})


def _finish(task: "ray.ObjectRef[bool]", work: _Work) -> bool | None:
    """Whether a job that has ended went well, None to try it again.

    The driver writes down what a worker could not.
    """
    try:
        well: bool = ray.get(task)
        bring_home(work.job)
        return well
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None) or error
        if isinstance(cause, BadInput):
            raise cause from None
        passing = isinstance(cause, ray.exceptions.RayError | OSError) or is_out_of_memory(cause)
        # A broken CUDA context says so in many ways, and goes with its process.
        passing = passing or work.assignment.gpus > 0
        if passing and work.attempt < ATTEMPTS:
            return None
        write_text(work.job.directory / TRACE, f"{error}\n")
        last = next(iter(str(cause).strip().splitlines()[-1:]), "")
        reason = f"{type(cause).__name__}: {last}"
        write_result(work.job, work.assignment, status="failed", reason=reason)
        bring_home(work.job)
        return False
