"""One confirmation, as a worker trains it: exactly the length its curve chose, saved at every report.

Its `result.json` is written last: where it lies and answers the same question, the job is done. A worker
writes to the job's `place`; where that is not the study's own folder, the driver brings what it wrote home.
"""

import io
import json
import pickle
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from study.cohort.split import Fold
from study.record import read_json
from study.regression.config import TrialConfig
from study.regression.crossvalidation import CrossValidation, Report
from study.regression.curve import judge
from study.regression.model import networks_bytes
from study.regression.training import DivergedError
from study.sweep.assignment import Assignment
from study.sweep.place import below, read, remove, remove_folder, write
from study.sweep.process import settle
from study.sweep.rows import describe, oof_frame

RESULT, MODEL, OOF = "result.json", "model.safetensors", "oof.parquet"
STATE, REPORTS, TRACE = "state.pt", "reports.txt", "error.txt"


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
        place: Where a worker writes them, and its state: the same folder by its path, or a place that
            workers without it reach (`study.sweep.place`).
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
    place: str


def key(job: ConfirmJob, assignment: Assignment) -> str:
    """A hash over everything that decides the result."""
    return f"{assignment.key(job.config)}-{job.length}"


def is_done(job: ConfirmJob, assignment: Assignment) -> bool:
    """Whether a result for this very question lies there; failures of machines are tried again."""
    path = job.directory / RESULT
    return path.is_file() and _answers(read_json(path), job, assignment)


def _answers(result: Mapping[str, Any], job: ConfirmJob, assignment: Assignment) -> bool:
    return bool(result["key"] == key(job, assignment) and result["status"] != "failed")


def train(job: ConfirmJob, assignment: Assignment) -> bool:
    """Train to the length, then write model, predictions and, last, the result; whether it went well."""
    with suppress(FileNotFoundError):
        # The driver was killed before it brought the result home.
        result = json.loads(read(below(job.place, RESULT)))
        if _answers(result, job, assignment):
            return bool(result["status"] == "completed")
    training = assignment.cross_validation(
        job.config, settle(threads=assignment.threads, gpus=assignment.gpus)
    )
    reports = _taken_up(job, assignment, training)
    try:
        while training.presentations < job.length and not training.finished:
            reports.append(training.advance())
            _save(job, assignment, training, reports)
    except DivergedError as error:
        write_result(job, assignment, status="diverged", reason=str(error))
        return False
    write(below(job.place, MODEL), networks_bytes(training.networks()))
    write(below(job.place, OOF), _oof(job, assignment, reports[-1]).to_parquet(index=False))
    seconds = sum(report.seconds for report in reports)
    scores = _scores(job, assignment, reports)
    write_result(job, assignment, status="completed", **scores, seconds=seconds)
    return True


def reports_saved(job: ConfirmJob) -> str:
    """Changes whenever a report of the job has been saved."""
    try:
        return read(below(job.place, REPORTS)).decode()
    except FileNotFoundError:
        return ""


def bring_home(job: ConfirmJob) -> None:
    """Copy what a worker has finished into the study, the result last, and clear its place."""
    if job.place == str(job.directory):
        return
    for name in (MODEL, OOF, RESULT):
        # A training that diverged has a result alone.
        with suppress(FileNotFoundError):
            write(job.directory / name, read(below(job.place, name)))
    remove_folder(job.place)


def _save(job: ConfirmJob, assignment: Assignment, training: CrossValidation, reports: list[Report]) -> None:
    rows = [vars(report) | {"oof_RM": torch.from_numpy(report.oof_RM)} for report in reports]
    state, content = {"key": key(job, assignment), "reports": rows}, io.BytesIO()
    torch.save({**state, "training": training.state_dict()}, content)
    write(below(job.place, STATE), content.getvalue())
    write(below(job.place, REPORTS), str(len(reports)).encode())


def _taken_up(job: ConfirmJob, assignment: Assignment, training: CrossValidation) -> list[Report]:
    """Put a training where a killed job left it; the reports so far, none for a fresh start."""
    try:
        content = io.BytesIO(read(below(job.place, STATE)))
        state = torch.load(content, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError):
        return []
    if state["key"] != key(job, assignment):
        return []
    training.load_state_dict(state["training"])
    return [Report(**row | {"oof_RM": row["oof_RM"].numpy()}) for row in state["reports"]]


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
    cohort = assignment.cohort()
    return oof_frame(
        "confirm",
        job.arm,
        job.trial,
        job.seed,
        oof_TRM=report.oof_RM[None],
        presentations_T=[report.presentations],
        scans=[cohort.ids[position] for position in assignment.development],
        labels_M=assignment.labels_M,
    )


def write_result(
    job: ConfirmJob,
    assignment: Assignment,
    *,
    status: str,
    reason: str = "",
    **scores: Any,  # noqa: ANN401
) -> None:
    """The result; the state that led to it goes."""
    content = {
        "key": key(job, assignment),
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
    write(below(job.place, RESULT), json.dumps(content, indent=2).encode())
    for name in (STATE, REPORTS):
        remove(below(job.place, name))
