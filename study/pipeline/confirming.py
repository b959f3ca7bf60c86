"""Where a confirmation stands, arm by arm, for the live view: from running jobs and written results."""

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

from analysis.words import short_configuration
from study.pipeline.board import Row, Show
from study.record import read_json
from study.sweep.confirm_job import RESULT, ConfirmJob


def confirm_rows(jobs: Sequence[ConfirmJob]) -> list[Row]:
    """A row an arm."""
    return [
        Row(arm=arm, total=len(mine), reports=sum(map(marks, mine))) for arm, mine in _by_arm(jobs).items()
    ]


def confirm_watch(
    jobs: Sequence[ConfirmJob], varied: Mapping[str, Sequence[str]], show: Show
) -> Callable[[Mapping[ConfirmJob, str]], None]:
    """What `run_jobs` calls; shows the state of each arm that has changed.

    Args:
        jobs: All of them.
        varied: Fields that each arm's space varies.
        show: Takes the state of one arm.
    """
    results: dict[ConfirmJob, dict[str, Any]] = {}
    before: dict[str, Any] = {}
    by_arm = _by_arm(jobs)
    unread = {job for job in jobs if (job.directory / RESULT).is_file()}

    def watch(running: Mapping[ConfirmJob, str]) -> None:
        # A result is read once: when its job is found to run no longer.
        for job in unread - set(running):
            if (job.directory / RESULT).is_file():
                results[job] = read_json(job.directory / RESULT)
        unread.clear()
        unread.update(running)
        for arm, mine in by_arm.items():
            state = _state(arm, mine, running, results, varied[arm])
            if state != before.get(arm):
                before[arm] = state
                show(state)

    return watch


def _by_arm(jobs: Sequence[ConfirmJob]) -> dict[str, list[ConfirmJob]]:
    found: dict[str, list[ConfirmJob]] = {}
    for job in jobs:
        found.setdefault(job.arm, []).append(job)
    return found


def marks(job: ConfirmJob) -> int:
    """Reports until a job's length."""
    return max(1, round(job.length * job.config.reports / job.config.presentations))


def _presented(job: ConfirmJob, reports: int) -> float:
    """Presentations of all its networks at so many reports."""
    return len(job.folds) * job.config.presentations * reports / job.config.reports


def _state(
    arm: str,
    jobs: Sequence[ConfirmJob],
    running: Mapping[ConfirmJob, str],
    results: Mapping[ConfirmJob, Mapping[str, Any]],
    varied: Sequence[str],
) -> dict[str, Any]:
    saved = {job: int(running[job] or 0) for job in jobs if job in running}
    ended = {job: results[job] for job in jobs if job in results and job not in running}
    well = {job: result for job, result in ended.items() if result["status"] == "completed"}
    reports = sum(saved.values()) + sum(map(marks, ended))
    return {
        "arm": arm,
        "running": len(saved),
        "done": len(well),
        "failed": len(ended) - len(well),
        "reports": reports,
        "reports_total": sum(map(marks, jobs)),
        "presented": sum(map(_presented, saved, saved.values()))
        + sum(_presented(job, marks(job)) for job in ended),
        **_best(well, varied),
    }


def _best(well: Mapping[ConfirmJob, Mapping[str, Any]], varied: Sequence[str]) -> dict[str, Any]:
    """The configuration with the lowest mean over the seeds that have ended."""
    scores: dict[int, list[float]] = {}
    for job, result in well.items():
        scores.setdefault(job.trial, []).append(float(result["score"]))
    if not scores:
        return {"best": None}
    trial = min(scores, key=lambda number: fmean(scores[number]))
    config = next(job.config for job in well if job.trial == trial)
    return {
        "best": fmean(scores[trial]),
        "configuration": short_configuration(config.model_dump(mode="json"), varied),
    }
