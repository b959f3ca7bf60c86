"""Whether bfloat16 costs quality: the same trainings in both precisions, paired by seed.

Every seed draws its own phantom cohort, folds, initial weights and order; the two precisions share
them all. What differs is compared with how much seeds differ.
"""

import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from scipy import stats

from benchmarks.measure import Row, publish
from study.cohort.arrays import build_arrays
from study.cohort.phantom import write_phantom
from study.cohort.preprocess import Preprocessing
from study.cohort.scans import read_cohort
from study.cohort.split import make_folds
from study.regression.config import TrialConfig
from study.regression.crossvalidation import CrossValidation

SEEDS = 10
DEVELOPMENT, FOLDS, PRESENTATIONS = 60, 2, 900
"""The quick study's."""
ARMS: dict[str, dict[str, object]] = {"base": {"n": 1}, "set_sum": {"n": 2}}
COMMON = {"learning_rate": 1.5e-3, "translation": 0.5, "presentations": PRESENTATIONS, "reports": 5}


def confirmed_icc(seed: int, fields: dict[str, object], precision: str) -> float:
    """Pooled out-of-fold ICC(A,1) at the end of a training."""
    torch.set_num_threads(1)
    config = TrialConfig.model_validate({**COMMON, **fields, "precision": precision})
    with tempfile.TemporaryDirectory() as folder:
        path = write_phantom(
            Path(folder) / "scans", kind="wmh", scans=DEVELOPMENT, shape=14, seed=seed, workers=1
        )
        spec = Preprocessing(shape=(10, 10, 10))
        arrays = build_arrays(read_cohort(path), spec, Path(folder) / "arrays", workers=1)
        folds = make_folds(
            arrays.labels, arrays.sites, arrays.groups, folds=FOLDS, repeats=1, stratify=True, seed=seed
        )
        training = CrossValidation(
            config, arrays.images_MDHW, arrays.labels, folds, seed=seed, view_seed=seed
        )
        while not training.finished:
            report = training.advance()
    return report.icc


def measure() -> None:
    """Print and store the table."""
    cases = [
        (seed, arm, precision)
        for arm in ARMS
        for seed in range(SEEDS)
        for precision in ("float32", "bfloat16")
    ]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(confirmed_icc, seed, ARMS[arm], precision) for seed, arm, precision in cases]
        found = dict(zip(cases, (job.result() for job in jobs), strict=True))
    rows, notes = [], []
    for arm in ARMS:
        full, low = (
            np.array([found[seed, arm, precision] for seed in range(SEEDS)])
            for precision in ("float32", "bfloat16")
        )
        rows.append(
            Row(
                what=f"{arm}: mean ICC in bfloat16",
                ours=float(low.mean()),
                unit="",
                against="in float32",
                other=float(full.mean()),
            )
        )
        notes.append(_difference(arm, low - full, full))
    title = f"Pooled out-of-fold ICC after {PRESENTATIONS} presentations, {SEEDS} cohorts and seeds"
    publish("precision", title, rows, notes)


def _difference(arm: str, gaps: np.ndarray, full: np.ndarray) -> str:
    error = gaps.std(ddof=1) / np.sqrt(len(gaps))
    reach = stats.t.ppf(0.975, len(gaps) - 1) * error
    return (
        f"{arm}: bfloat16 minus float32, paired: {gaps.mean():+.4f} [{gaps.mean() - reach:+.4f}, "
        f"{gaps.mean() + reach:+.4f}] (95% t interval, {len(gaps)} seeds); SD over seeds in float32 "
        f"{full.std(ddof=1):.4f}; differences: {' '.join(f'{gap:+.3f}' for gap in gaps)}"
    )
