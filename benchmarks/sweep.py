"""A sweep of 20 trials of about 15 s on two cores, and the harness that a user would write beside it.

Counted as training are the seconds inside optimiser steps (data, augmentation, forward, backward,
update), not predictions, reports, checkpoints or waiting. The wall is the sweep's own, from the
call of the search stage to its tables, with the workers' start in it; Ray's start stands beside it.
"""

import json
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from rich.console import Console

from benchmarks import peer_harness
from benchmarks.measure import Row, publish
from benchmarks.timed_trial import TIMES, TimedTrial
from study.cohort.scans import read_cohort
from study.pipeline.prepare import prepare
from study.pipeline.prepared import Prepared
from study.pipeline.progress import Progress
from study.pipeline.search import search
from study.record import read_frame
from study.regression.config import TrialConfig
from study.regression.crossvalidation import CrossValidation
from study.settings import StudySettings, read_settings
from study.sweep.cluster import start_ray

TRIALS, PEER_TRIALS, CONCURRENT = 20, 6, 2
SECONDS = 15.0
"""Of one trial, its predictions included; the presentations are chosen to need about that."""
SCANS, TEST, FOLDS, REPORTS, VIEWS = 36, 12, 3, 4, 4
SIDE, WRITTEN = 16, 20
"""Voxels along an axis of what networks see, and of the NIfTI files."""
ROTATION, TRANSLATION = 0.2, 1.0


def settings(presentations: int, trials: int = TRIALS) -> StudySettings:
    """One arm, sets of 2 to 8 scans, on a phantom cohort written as NIfTI."""
    fields = {
        "arms": "[set_sum]",
        "phantom": f"{{kind: wmh, scans: {SCANS}, shape: [{WRITTEN}, {WRITTEN}, {WRITTEN}]}}",
        "preprocessing.shape": f"[{SIDE}, {SIDE}, {SIDE}]",
        "split.test": TEST,
        "validation.folds": FOLDS,
        "budget": f"{{trials: {trials}, presentations: {presentations}}}",
        "training": f"{{reports: {REPORTS}, views: {VIEWS}, translation: {TRANSLATION}}}",
    }
    return read_settings(None, [f"{key}={value}" for key, value in fields.items()])


def presentations_for(seconds: float) -> int:
    """How many presentations a trial of this length has, from a short training in this process."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare(settings(120, trials=4), Path(folder) / "study", _silent())
        space, probe = prepared.spaces["set_sum"], 40
        config = TrialConfig(
            **{**space.constants, "n": 4, "p": 0.1, "presentations": 8 * probe, "reports": 8},
            learning_rate=1e-3,
        )
        training = CrossValidation(
            config, prepared.images_MDHW, prepared.labels_M, prepared.folds, seed=0, view_seed=0
        )
        training.advance()
        reports = [training.advance() for _ in range(3)]
        start = time.perf_counter()
        training._predict_held_out(training.views)
        predicting = time.perf_counter() - start
    step = (np.median([report.seconds for report in reports]) - predicting) / probe
    return int((seconds - predicting * REPORTS) / step)


def ours(folder: Path, presentations: int, trials: int = TRIALS) -> tuple[Prepared, dict[str, float]]:
    """The search stage, timed; seconds of each part."""
    prepared = prepare(settings(presentations, trials), folder / "study", _silent())
    times = folder / "times"
    times.mkdir()
    os.environ[TIMES] = str(times)
    start = time.perf_counter()
    with patch("study.sweep.sweep.SetSumTrial", TimedTrial), start_ray(cpus=CONCURRENT):
        ray_ready = time.perf_counter()
        began = time.time()
        search(prepared, _silent())
        sweep = time.perf_counter() - ray_ready
    parts = _sums(times)
    lines = [json.loads(line) for path in times.iterdir() for line in path.read_text().splitlines()]
    ends = sorted(max(line["at"] for line in lines if line["trial"] == n) for n in range(trials))
    return prepared, parts | {
        "ray": ray_ready - start,
        "sweep": sweep,
        "first": min(line["at"] for line in lines if "begin" in line) - began,
        "tail": ends[-1] - ends[-2],
        "end": began + sweep - ends[-1],
    }


def theirs(folder: Path, prepared: Prepared, trials: int = PEER_TRIALS) -> float:
    """Wall seconds of the user's harness on the first of our configurations, Ray's start left out."""
    fields = ("n", "p", "replacement", "learning_rate", "scans_per_step")
    rows = read_frame(prepared.directory.trials).sort_values("trial").head(trials)
    points = rows[[f"config.{field}" for field in fields]].set_axis(fields, axis=1).to_dict("records")
    ids = [prepared.arrays.ids[row] for row in prepared.development]
    where = {scan.id: str(scan.image) for scan in read_cohort(Path(str(prepared.settings.cohort.path))).scans}
    study = {
        "files": [where[name] for name in ids],
        "labels": prepared.labels_M.tolist(),
        "folds": [(fold.train.tolist(), fold.held_out.tolist()) for fold in prepared.folds],
        "side": SIDE,
        "rotation": ROTATION,
        "translation": TRANSLATION,
        "views": VIEWS,
        "reports": REPORTS,
        "presentations": prepared.settings.budget.presentations,
    }
    with start_ray(cpus=CONCURRENT):
        start = time.perf_counter()
        peer_harness.run(study, points, folder / "peer")
        return time.perf_counter() - start


def measure() -> None:
    """Both, one after the other."""
    presentations = presentations_for(SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        prepared, parts = ours(Path(folder), presentations)
        peer = theirs(Path(folder), prepared)
    publish(
        "sweep",
        f"A sweep of {TRIALS} trials, {CONCURRENT} at a time",
        _rows(parts, peer),
        _notes(parts, presentations),
    )


def _rows(parts: Mapping[str, float], peer: float) -> list[Row]:
    capacity = parts["sweep"] * CONCURRENT
    with_ray = (parts["sweep"] + parts["ray"]) * CONCURRENT
    rates = (3600 * TRIALS / parts["sweep"], 3600 * PEER_TRIALS / peer)
    shares = {
        "training steps / (wall x concurrent)": (parts["steps"] / capacity, ">= 0.85"),
        "the same, Ray's start in the wall": (parts["steps"] / with_ray, ""),
        "steps and predictions / (wall x concurrent)": (parts["seconds"] / capacity, ""),
    }
    return [
        *(
            Row(what=what, ours=value, unit="", ratio=value, target=target)
            for what, (value, target) in shares.items()
        ),
        Row(
            what="trials an hour",
            ours=rates[0],
            unit="/h",
            against="function trainable, MONAI",
            other=rates[1],
            ratio=rates[0] / rates[1],
            target=">= 4",
        ),
    ]


def _notes(parts: Mapping[str, float], presentations: int) -> list[str]:
    judged = parts["seconds"] - parts["steps"]
    return [
        f"{SIDE}^3, {SCANS - TEST} development scans, {FOLDS} folds, {presentations} presentations a fold, "
        f"{REPORTS} reports of {VIEWS} views",
        f"sweep {parts['sweep']:.1f} s (Ray's start {parts['ray']:.1f} s before it): first trial after "
        f"{parts['first']:.1f} s, last one alone for {parts['tail']:.1f} s, tables {parts['end']:.1f} s",
        f"over all trials: steps {parts['steps']:.1f} s, predictions and judging {judged:.1f} s, "
        f"building {parts['begin']:.1f} s, saving {parts['saving']:.1f} s",
        f"the peer trains the first {PEER_TRIALS} of our configurations, every branch in one pass, float32",
    ]


def _sums(times: Path) -> dict[str, float]:
    lines = [json.loads(line) for path in times.iterdir() for line in path.read_text().splitlines()]
    return {
        kind: sum(line.get(kind, 0.0) for line in lines) for kind in ("steps", "seconds", "begin", "saving")
    }


def _silent() -> Progress:
    return Progress(Console(quiet=True))
