"""What is exported once more, trained on all development scans: a network a seed, no fold held out.

For as many presentations as it was confirmed, with the same seeds. Such networks have seen every scan that
could score them: the confirmed ones stay where they are, with their scores, and these lie in a folder beside.
"""

import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from study.badinput import BadInput
from study.cohort.ranges import Ranges
from study.cohort.split import whole_fold
from study.pipeline.confirm import job_of, train_jobs, winners
from study.pipeline.confirming import marks
from study.pipeline.exported import Refit, confirmations, ranges_of, write_export
from study.pipeline.leaders import confirmed_leaders
from study.pipeline.prepared import Prepared
from study.pipeline.progress import Progress, Update
from study.record import read_json
from study.sweep.confirm_job import MODEL, OOF, RESULT, ConfirmJob

REFIT = "refit"
"""Its folder within an export's."""


class _Target(NamedTuple):
    """A confirmed configuration, the folder of its export, and the graphs to write there."""

    folder: Path
    arm: str
    trial: int
    formats: Collection[str] = ()


def refit(
    prepared: Prepared, progress: Progress, formats: Collection[str] = (), top: int | None = None
) -> list[Path]:
    """Train what `export` has written again, on all development scans, and write it beside.

    Args:
        prepared: A study that has been exported with the same `formats` and `top`.
        progress: Shows how far it is, and says which networks are stuck.
        formats: `onnx`, `pt2`: graphs beside the winners' weights.
        top: How many leading configurations of each arm.

    Returns:
        The folders written, `refit` in those of the exports.

    Raises:
        BadInput: Nothing is confirmed yet, or no training succeeded.
        InterruptedInOrderError: Ctrl-C or SIGTERM; every running training has been saved.
    """
    root = prepared.directory.export
    targets = [_Target(root / arm, arm, trial, formats) for arm, trial in winners(prepared).items()]
    targets += [_Target(*leader) for leader in confirmed_leaders(prepared, top or 0)]
    jobs = {(target.arm, target.trial): _jobs(prepared, target.arm, target.trial) for target in targets}
    flat = [job for mine in jobs.values() for job in mine]
    train_jobs(prepared, flat, prepared.directory.refit, _told(flat, progress))
    trained = {of: _trained(prepared, mine, progress.note) for of, mine in jobs.items()}
    ranges, written = ranges_of(prepared), []
    for folder, arm, trial, graphs in targets:
        if _written(prepared, folder, arm, trial, ranges, trained[arm, trial], graphs):
            written.append(folder / REFIT)
    if not written:
        raise BadInput(
            "no refit succeeded",
            where=str(prepared.directory.refit),
            fix="The confirmed networks are exported",
        )
    return written


def refresh(prepared: Prepared, folder: Path, arm: str, trial: int, ranges: Ranges) -> None:
    """Bring the refit within an export's folder up to date with the study, without training anything.

    It goes where the configuration, or a seed that confirmed it, has not been refitted.
    """
    if (folder / REFIT).is_dir():
        jobs = _jobs(prepared, arm, trial)
        whole = all((job.directory / RESULT).is_file() for job in jobs)
        _written(prepared, folder, arm, trial, ranges, _trained(prepared, jobs) if whole else [])


def _written(
    prepared: Prepared,
    folder: Path,
    arm: str,
    trial: int,
    ranges: Ranges,
    refits: Sequence[Refit],
    formats: Collection[str] = (),
) -> bool:
    """Write a refit within an export's folder; where there are no networks, take away what lies there."""
    if refits:
        write_export(prepared, folder / REFIT, arm, trial, ranges, formats, refits)
    else:
        shutil.rmtree(folder / REFIT, ignore_errors=True)
    return bool(refits)


def _jobs(prepared: Prepared, arm: str, trial: int) -> list[ConfirmJob]:
    """One for each seed that confirmed the configuration."""
    rows = confirmations(prepared, arm, trial).to_dict("records")
    whole = (whole_fold(len(prepared.development)),)
    return [job_of(prepared, row, int(row["seed"]), whole, prepared.directory.refit) for row in rows]


@contextmanager
def _told(jobs: Sequence[ConfirmJob], progress: Progress) -> Iterator[dict[str, Any]]:
    """Whom the jobs tell where they stand."""
    with progress.stage(REFIT, sum(map(marks, jobs))) as update:
        watch = _watch(jobs, update)
        # What lies there is all that is done where nothing has to run.
        yield {"progress": lambda state: watch({}), "watch": watch}


def _watch(jobs: Sequence[ConfirmJob], update: Update) -> Callable[[Mapping[ConfirmJob, str]], None]:
    """Takes the running jobs and counts reports, those of jobs that have ended as well."""

    def watch(running: Mapping[ConfirmJob, str]) -> None:
        ended = [job for job in jobs if job not in running and (job.directory / RESULT).is_file()]
        update(sum(map(marks, ended)) + sum(int(saved or 0) for saved in running.values()))

    return watch


def _trained(
    prepared: Prepared, jobs: Sequence[ConfirmJob], note: Callable[[str], None] = lambda text: None
) -> list[Refit]:
    """What came of the trainings of one configuration; those that failed are left out, and said."""
    found = []
    for job in jobs:
        # Predictions of scans that trained, under a name that says otherwise.
        (job.directory / OOF).unlink(missing_ok=True)
        result = read_json(job.directory / RESULT)
        who = f"refit of {job.arm}, trial {job.trial}, seed {job.seed}"
        if result["status"] != "completed":
            note(f"warning: {who}: {result['status']} ({result['reason']}), left out")
            continue
        # The verdict is of the best report, and the network that of the last.
        stuck = result["verdict"] == "stuck" or result["mse"] >= prepared.labels_M.var()
        if stuck:
            note(f"warning: {who}: fits its own training scans not clearly better than their mean label does")
        found.append(Refit(job.seed, job.directory / MODEL, float(result["mse"]), bool(stuck)))
    return found
