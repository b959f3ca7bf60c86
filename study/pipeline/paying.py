"""A map of phantoms: where in cohort size, rater noise and training length does an arm pay?

Instead of a study: every arm is trained at fixed settings (the paper's values) on phantom cohorts, and scored
on test scans of the same phantom. Nothing is searched and no length is chosen, so that the test scans decide
nothing. One training gives all lengths, since its scores are taken on the way. Trainings share neither
memory nor results: each writes a file of its own, and a map that was killed goes on from these.
"""

import math
import multiprocessing
import os
import signal
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from analysis.members import CELLS
from analysis.paying import write_map
from study.agreement import icc, mse
from study.badinput import BadInput
from study.cohort.arrays import CohortArrays, build_arrays, open_arrays
from study.cohort.phantom import write_phantom
from study.cohort.rows import Rows
from study.cohort.scans import read_cohort
from study.cohort.split import Fold
from study.pipeline import stages
from study.pipeline.own_regressor import regressor_of
from study.pipeline.prepare import effective_preprocessing
from study.pipeline.prepared import read_spaces
from study.pipeline.progress import Progress
from study.pipeline.provenance import surroundings
from study.pipeline.record_of_series import check_record
from study.pipeline.refusal import leaving_nothing
from study.pipeline.unchanged import check_code, code_digest
from study.record import StudyDirectory, write_json, write_yaml
from study.regression.config import BASE, TrialConfig
from study.regression.crossvalidation import CrossValidation
from study.regression.training import DivergedError
from study.settings import MapSettings, StudySettings
from study.sweep.process import end_with_parent
from study.sweep.spaces import check_space

COHORTS = "cohorts"
"""Folder of the phantoms."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One training: an arm on one cohort."""

    arm: str
    config: TrialConfig
    scans: int
    rater_noise: float
    cohort: int
    seed: int
    arrays: Path
    lengths: tuple[int, ...]
    test: int
    result: Path


def run_map(settings: StudySettings, root: Path, progress: Progress, accept: Collection[str] = ()) -> None:
    """Train whatever is missing, a file a training under `root`/cells, then write findings and page.

    Raises:
        BadInput: Arms and map do not fit together, or the directory holds something else.
    """
    directory = StudyDirectory(root.resolve())
    with stages.alone(root), leaving_nothing(directory.root):
        if settings.cohort.path is not None:
            raise BadInput(
                "a map is made of phantoms and takes no cohort", where="map", fix="Leave --cohort out"
            )
        check_record(settings, directory.root, known=(CELLS, COHORTS, directory.provenance.name))
        cells = _cells(settings, directory.root)
        if directory.series.exists():
            check_code(directory, accept)
        else:
            write_json(directory.provenance, {"format": 1, "code": code_digest(), **surroundings()})
            write_yaml(directory.series, settings.model_dump(mode="json"))
        _cohorts(settings, directory.root, progress)
        _train(settings, cells, progress)
        write_map(directory.root)


def _train(settings: StudySettings, cells: Sequence[Cell], progress: Progress) -> None:
    left = [cell for cell in cells if not cell.result.exists()]
    with _pool(settings) as pool, progress.stage("trainings", len(cells)) as update:
        waiting = [pool.submit(train_cell, cell) for cell in left]
        update(len(cells) - len(left))
        for done, future in enumerate(as_completed(waiting), start=len(cells) - len(left) + 1):
            future.result()
            update(done)


def train_cell(cell: Cell) -> None:
    """One training, scored on the test scans at every length; written when it is whole.

    A training that diverged has NaN for a score from there on.
    """
    torch.set_num_threads(1)
    arrays = open_arrays(cell.arrays)
    total = len(arrays.ids)
    rows = np.r_[np.arange(cell.scans), np.arange(total - cell.test, total)]
    fold = Fold(repeat=0, index=0, train=np.arange(cell.scans), held_out=cell.scans + np.arange(cell.test))
    training = CrossValidation(
        cell.config,
        Rows(arrays.images_MDHW, rows),
        arrays.labels[rows],
        [fold],
        seed=cell.seed,
        view_seed=cell.seed,
    )
    scores = {length: {"icc": float("nan"), "mse": float("nan")} for length in cell.lengths}
    try:
        while not training.finished:
            report = training.advance()
            if report.presentations in scores:
                scores[report.presentations] = _scores(report.oof_RM[0, fold.held_out], arrays, rows, fold)
    except DivergedError:
        pass
    place = {"arm": cell.arm, "scans": cell.scans, "rater_noise": cell.rater_noise, "cohort": cell.cohort}
    found = [place | {"presentations": length, **score} for length, score in scores.items()]
    write_json(cell.result, {"format": 1, "config": cell.config.model_dump(mode="json"), "rows": found})


def _scores(
    predictions_H: np.ndarray, arrays: CohortArrays, rows: np.ndarray, fold: Fold
) -> dict[str, float]:
    """Agreement with the labels without rater noise; MSE as a share of their variance."""
    truths_H = arrays.truths[rows][fold.held_out]
    if not np.isfinite(truths_H).all():
        truths_H = arrays.labels[rows][fold.held_out]
    return {
        "icc": float(icc(predictions_H, truths_H)),
        "mse": float(mse(predictions_H, truths_H) / truths_H.var()),
    }


def _map(settings: StudySettings) -> MapSettings:
    assert settings.map is not None, "asked for only where there is one"
    return settings.map


def _configurations(settings: StudySettings, wanted: MapSettings) -> dict[str, TrialConfig]:
    longest = max(wanted.presentations)
    if regressor_of(settings) != BASE:
        raise BadInput(
            "a map trains the base regressor",
            where="training.regressor",
            fix="Leave it out, or leave out `map`",
        )
    training = settings.training | {"reports": longest // math.gcd(*wanted.presentations)}
    fixed = settings.model_copy(
        update={
            "training": training,
            "search": settings.search.model_copy(update={"sampler": "paper"}),
            "budget": settings.budget.model_copy(update={"presentations": longest}),
        }
    )
    spaces = read_spaces(fixed)
    for space in spaces.values():
        check_space(space, min(wanted.scans))
    return {arm: space.resolve({}) for arm, space in spaces.items()}


def _cells(settings: StudySettings, root: Path) -> list[Cell]:
    """All trainings; the first cohort of every cell comes first, so that a map fills evenly."""
    wanted = _map(settings)
    configs = _configurations(settings, wanted)
    return [
        Cell(
            arm=arm,
            config=config,
            scans=scans,
            rater_noise=noise,
            cohort=cohort,
            seed=settings.seed + cohort,
            arrays=_folder(root, cohort, noise) / "cohort",
            lengths=tuple(wanted.presentations),
            test=wanted.test,
            result=root / CELLS / f"{scans}-{noise:g}-{cohort}-{arm}.json",
        )
        for cohort in range(wanted.cohorts)
        for scans in wanted.scans
        for noise in wanted.rater_noise
        for arm, config in configs.items()
    ]


def _folder(root: Path, cohort: int, noise: float) -> Path:
    return root / COHORTS / f"{cohort}-{noise:g}"


def _cohorts(settings: StudySettings, root: Path, progress: Progress) -> None:
    """Phantoms and their arrays, one a cohort and noise; smaller cohorts are their beginnings."""
    wanted, phantom = _map(settings), settings.phantom
    places = [(cohort, noise) for cohort in range(wanted.cohorts) for noise in wanted.rater_noise]
    with progress.stage("phantoms", len(places)) as update:
        for done, (cohort, noise) in enumerate(places, start=1):
            folder = _folder(root, cohort, noise)
            write_phantom(
                folder / "phantom",
                kind=phantom.kind,
                scans=max(wanted.scans) + wanted.test,
                shape=phantom.shape,
                seed=settings.seed + cohort,
                rater_noise=noise,
            )
            build_arrays(
                read_cohort(folder / "phantom"), effective_preprocessing(settings), folder / "cohort"
            )
            update(done)


@contextmanager
def _pool(settings: StudySettings) -> Iterator[ProcessPoolExecutor]:
    """Processes for trainings, one a core; what was not begun is dropped when the work is ended early."""
    workers = max(1, int((os.cpu_count() or 1) / settings.resources.cpus_per_trial))
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_begin)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """Ctrl-C is the driver's to hear, and a worker does not outlive a driver that was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
