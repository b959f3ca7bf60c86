"""Training one recipe without Ray: `setsum train CONFIG.yaml --cohort COHORT`."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from study.badinput import BadInput
from study.cohort.arrays import CohortArrays, build_arrays
from study.cohort.ranges import Ranges, write_ranges
from study.cohort.rows import Rows
from study.cohort.scans import read_cohort
from study.cohort.split import Fold, whole_fold
from study.pipeline.division import Listed, draw_folds, listing
from study.pipeline.progress import Progress
from study.pipeline.refusal import leaving_nothing
from study.record import write_yaml
from study.regression.crossvalidation import CrossValidation, Report
from study.regression.curve import judge
from study.regression.device import check_device
from study.regression.model import save_networks
from study.regression.prediction import Predictor
from study.regression.recipe import Recipe
from study.sweep.process import settle


@dataclass(frozen=True, kw_only=True)
class Trained:
    """One seed's last report and verdict; of a refit, both are of the fit to its own scans."""

    seed: int
    report: Report
    verdict: str


def train(
    recipe: Recipe, cohort: Path, out: Path, progress: Progress, *, layout: str = "auto", device: str = "cpu"
) -> list[Trained]:
    """Train a recipe on a cohort, once a seed, and write an export that `setsum predict` reads.

    On the machine, the cohort and the device of the study that the recipe is from, the scores are the
    study's, bit for bit. The process is put into the state that a study's workers have, threads included.

    Raises:
        BadInput: The cohort cannot be read, or holds only some of the recipe's scans, or `out` is a study or
            an export of one.
        DivergedError: A training diverged.
    """
    check_device(device)
    _check_out(out)
    settle(threads=recipe.threads or torch.get_num_threads(), gpus=float(device != "cpu"))
    scans = read_cohort(
        cohort, layout, label=recipe.label, label_column=recipe.label_column, suffix=recipe.suffix
    )
    # Divided before minutes of preprocessing: too few scans are known from the list alone.
    folds = _folds(recipe, listing(scans), _rows(recipe, listing(scans), cohort), recipe.seeds[0])
    _check_sets(recipe, min(len(fold.train) for fold in folds))
    with leaving_nothing(out), progress.stage("cohort", len(scans.scans)) as update:
        arrays = build_arrays(
            scans, recipe.preprocessing, out / "cohort", progress=lambda done, total: update(done)
        )
    rows = _rows(recipe, arrays, cohort)
    networks: list[Predictor] = []
    results = []
    for seed in recipe.seeds:
        result, trained = _train_seed(recipe, arrays, rows, seed, progress, device)
        results.append(result)
        networks += trained
    save_networks(out / "model.safetensors", networks)
    images = Rows(arrays.images_MDHW, np.array(rows))
    write_ranges(out, Ranges.of(images, arrays.shapes[rows], arrays.spacings[rows]))
    write_yaml(out / "config.yaml", recipe.model_dump(mode="json"))
    return results


def _check_out(out: Path) -> None:
    """Refuse a folder in which another cohort, or a card of other networks, would stay beside these."""
    for name in ("study.yaml", "series.yaml", "card.json"):
        if (out / name).exists():
            what = "is a study's export, with a card of its own" if name == "card.json" else "is a study"
            raise BadInput(what, where=str(out), fix="Choose another folder: --out")


def _check_sets(recipe: Recipe, m: int) -> None:
    """Refuse sets that the smallest training fold, m scans, cannot fill without replacement."""
    if recipe.config.n > m and not recipe.config.replacement:
        raise BadInput(
            f"n <= m must hold without replacement, got n = {recipe.config.n} and m = {m} scans to train on",
            where="`config.n` of the recipe",
            fix="Lower n, or set `replacement: true`",
        )


def _train_seed(
    recipe: Recipe, arrays: CohortArrays, rows: list[int], seed: int, progress: Progress, device: str
) -> tuple[Trained, list[Predictor]]:
    folds = _folds(recipe, arrays, rows, seed)
    labels_M = arrays.labels[rows]
    trial = CrossValidation(
        recipe.config,
        Rows(arrays.images_MDHW, np.array(rows)),
        labels_M,
        folds,
        seed=seed,
        view_seed=recipe.view_seed,
        device=device,
    )
    target = recipe.length or recipe.config.presentations
    reports = []
    with progress.stage(f"train seed {seed}", target) as update:
        while trial.presentations < target:
            reports.append(trial.advance())
            update(trial.presentations, f"MSE {reports[-1].mse:.4g}, ICC {reports[-1].icc:.3f}")
    outcome = judge(
        np.stack([report.oof_RM for report in reports]),
        np.array([report.presentations for report in reports]),
        labels_M,
        recipe.config.loss,
    )
    return Trained(seed=seed, report=reports[-1], verdict=outcome.verdict), trial.networks()


def _folds(recipe: Recipe, cohort: Listed, rows: list[int], seed: int) -> tuple[Fold, ...]:
    if recipe.refit:
        return (whole_fold(len(rows)),)
    return draw_folds(
        cohort,
        rows,
        folds=recipe.folds,
        repeats=recipe.repeats,
        holdout=recipe.holdout,
        stratify=recipe.stratify,
        seed=seed,
        study_seed=recipe.view_seed,
    )


def _rows(recipe: Recipe, arrays: Listed, cohort: Path) -> list[int]:
    """Positions to train on: the recipe's own scans where the cohort holds them, else all."""
    where = {name: position for position, name in enumerate(arrays.ids)}
    missing = [name for name in recipe.scans if name not in where]
    if len(missing) == len(recipe.scans):
        return list(range(len(arrays.ids)))
    if missing:
        raise BadInput(
            f"{len(missing)} of the {len(recipe.scans)} scans that the recipe was trained on are missing, "
            f"the first is `{missing[0]}`",
            where=str(cohort),
            fix="Restore them, or delete `scans` from the recipe to train on the whole cohort",
        )
    return sorted(where[name] for name in recipe.scans)
