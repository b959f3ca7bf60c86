"""What an export says about itself in numbers: its card.json. No scan is named in it."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

import pandas as pd
from torch import nn

from analysis.scores import scores_of
from analysis.tested import averaged, interval_of
from analysis.words import short_configuration
from study.pipeline.prepared import Prepared
from study.pipeline.test import OWN, times_opened
from study.record import read_frame, read_json
from study.regression.prediction import draw_views
from study.regression.recipe import Recipe

FORMAT = 1
PROVENANCE = ("created", "seed", "fingerprint", "git", "python", "versions")
"""What of the study's provenance a card holds: not the names of machines and folders."""


def card_of(
    prepared: Prepared,
    arm: str,
    trial: int,
    rows: pd.DataFrame,
    recipe: Recipe,
    networks: Sequence[nn.Module],
    graphs: dict[str, Any],
    refit: dict[str, Any] | None,
) -> dict[str, Any]:
    """What these networks scored (refitted ones: their like), what they need, and where they come from.

    Args:
        prepared: The study.
        arm: Of the configuration.
        trial: That found it.
        rows: Its completed rows of confirmed.parquet.
        recipe: How it was trained.
        networks: Of all confirmed seeds.
        graphs: From `write_graphs`.
        refit: Of networks of all development scans, how well they fit those; None of confirmed networks.
    """
    provenance = read_json(prepared.directory.provenance)
    scored = len({position for fold in prepared.folds for position in fold.held_out})
    of = f"predictions of {scored} validation scans" if recipe.holdout else "pooled out-of-fold predictions"
    trials = read_frame(prepared.directory.trials, ["arm", "trial", "varied"], arm=arm, trial=trial)
    return {
        "format": FORMAT,
        "arm": arm,
        "trial": trial,
        "configuration": short_configuration(recipe.config.model_dump(mode="json"), trials["varied"].iloc[0]),
        "unit": prepared.arrays.unit,
        "networks": len(networks),
        "parameters_a_network": sum(parameter.numel() for parameter in networks[0].parameters()),
        "trained_on": _trained_on(prepared, recipe),
        "refit": refit,
        "preprocessing": recipe.preprocessing.model_dump(mode="json"),
        "views": {
            "what": "from output to input voxels about the grid's centre, axes x, y, z: matrix and shift",
            "interpolation": recipe.config.interpolation,
            "transforms": draw_views(recipe.config, recipe.view_seed).tolist(),
        },
        "precision": recipe.config.precision,
        "confirmed": {
            "what": "a value a seed; chosen on the same scans",
            "of": of,
            "mse": [float(value) for value in rows["mse"]],
            "icc": [_known(value) for value in rows["icc"]],
            "verdict": [str(value) for value in rows["verdict"]],
        },
        "test": _tested(prepared, arm, trial, [int(seed) for seed in rows["seed"]]),
        "test_opened": times_opened(prepared),
        "graphs": graphs,
        "provenance": {name: provenance.get(name) for name in PROVENANCE},
    }


def notes_of(recipe: Recipe) -> dict[str, str]:
    """What a graph cannot do without, for its own metadata."""
    return {
        "unit": recipe.unit,
        "preprocessing": recipe.preprocessing.model_dump_json(),
        "views": "left to the caller: card.json",
    }


def _trained_on(prepared: Prepared, recipe: Recipe) -> dict[str, Any]:
    labels_M = prepared.labels_M
    sites = {prepared.arrays.sites[position] for position in prepared.development} - {""}
    return {
        "development_scans": len(labels_M),
        "sites": len(sites),
        "seeds": len(recipe.seeds),
        "folds": None if recipe.refit or recipe.holdout else recipe.folds,
        "validation_scans": None if recipe.refit else recipe.holdout,
        "label": {
            "mean": float(labels_M.mean()),
            "sd": float(labels_M.std(ddof=1)),
            "lowest": float(labels_M.min()),
            "highest": float(labels_M.max()),
        },
    }


def _tested(prepared: Prepared, arm: str, trial: int, seeds: list[int]) -> dict[str, Any] | None:
    """Test scores of the mean prediction of these seeds; None when they were never tested."""
    path = prepared.directory.predictions
    if not path.exists():
        return None
    table = read_frame(path)
    table = table[(table["cohort"] == OWN) & (table["arm"] == arm) & (table["trial"] == trial)]
    if sorted(table["seed"].unique()) != seeds:
        return None
    mean = averaged(table)
    scores = scores_of(mean["prediction"], mean["label"])
    return {
        "what": "mean prediction of all confirmed networks on scans that no trial saw",
        "scans": len(mean),
        "mse": scores["mse"],
        "mae": scores["mae"],
        "icc_A1": _known(scores["icc"]),
        "icc_A1_interval": [_known(limit) for limit in interval_of(mean, prepared.settings.seed)],
        "bias": scores["bias"],
        "times_opened": times_opened(prepared),
    }


def _known(value: float) -> float | None:
    """JSON has no nan."""
    return float(value) if isfinite(value) else None
