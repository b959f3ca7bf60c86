"""Whether bfloat16 costs quality: the same trainings in both precisions, paired by seed.

Every seed draws its own phantom cohort, folds, initial weights and order, which all variants share.
Training is chaotic: sums in another order alone lead elsewhere. So bfloat16's differences stand beside
those of a float32 training whose steps are summed two scans at a time instead of four.
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

SEEDS = 16
DEVELOPMENT, FOLDS, PRESENTATIONS = 60, 2, 900
"""The quick study's."""
ARMS: dict[str, dict[str, object]] = {"base": {"n": 1}, "set_sum": {"n": 2}}
COMMON = {"learning_rate": 1.5e-3, "translation": 0.5, "presentations": PRESENTATIONS, "reports": 5}


VARIANTS: dict[str, dict[str, object]] = {
    "float32": {"precision": "float32"},
    "float32 in another order": {"precision": "float32", "chunk": 2},
    "bfloat16": {"precision": "bfloat16"},
}


def confirmed_icc(seed: int, fields: dict[str, object]) -> float:
    """Pooled out-of-fold ICC(A,1) at the end of a training."""
    torch.set_num_threads(1)
    config = TrialConfig.model_validate({**COMMON, **fields})
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
    cases = [(arm, variant, seed) for arm in ARMS for seed in range(SEEDS) for variant in VARIANTS]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        jobs = [
            pool.submit(confirmed_icc, seed, {**ARMS[arm], **VARIANTS[variant]})
            for arm, variant, seed in cases
        ]
        found = dict(zip(cases, (job.result() for job in jobs), strict=True))
    rows, notes = [], []
    for arm in ARMS:
        iccs = {
            variant: np.array([found[arm, variant, seed] for seed in range(SEEDS)]) for variant in VARIANTS
        }
        full = iccs.pop("float32")
        for variant, values in iccs.items():
            rows.append(_row(arm, variant, values, full))
            notes.append(_difference(arm, variant, values - full))
    title = f"Pooled out-of-fold ICC after {PRESENTATIONS} presentations, {SEEDS} cohorts and seeds"
    publish("precision", title, rows, notes)


def _row(arm: str, variant: str, values: np.ndarray, full: np.ndarray) -> Row:
    return Row(
        what=f"{arm}: mean ICC, {variant}",
        ours=float(values.mean()),
        unit="",
        against="float32",
        other=float(full.mean()),
    )


def _difference(arm: str, variant: str, gaps: np.ndarray) -> str:
    error = gaps.std(ddof=1) / np.sqrt(len(gaps))
    reach = stats.t.ppf(0.975, len(gaps) - 1) * error
    return (
        f"{arm}, {variant} minus float32, paired over {len(gaps)} seeds: {gaps.mean():+.4f} "
        f"[{gaps.mean() - reach:+.4f}, {gaps.mean() + reach:+.4f}] (95% t interval), "
        f"SD {gaps.std(ddof=1):.4f}"
    )
