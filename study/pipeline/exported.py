"""One configuration as an export: recipe, and where it was confirmed its networks, their card and graphs."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd

from study.badinput import BadInput
from study.cohort.ranges import Ranges, write_ranges
from study.pipeline.card import card_of, notes_of
from study.pipeline.formats import write_graphs
from study.pipeline.model_card import model_card
from study.pipeline.prepared import Prepared
from study.pipeline.test import model_path
from study.record import read_frame, read_json, write_json, write_text, write_yaml
from study.regression.config import TrialConfig
from study.regression.model import load_networks, save_networks
from study.regression.recipe import Recipe

CONFIG, WEIGHTS = "config.yaml", "model.safetensors"


def ranges_of(prepared: Prepared) -> Ranges:
    """What the development scans looked like: all that the networks were trained on, and nothing else."""
    rows = prepared.development
    return Ranges.of(prepared.images_MDHW, prepared.arrays.shapes[rows], prepared.arrays.spacings[rows])


def write_export(
    prepared: Prepared, folder: Path, arm: str, trial: int, ranges: Ranges, formats: Collection[str] = ()
) -> None:
    """Write a confirmed configuration: what `setsum predict` and `setsum train` read, and its card last.

    Args:
        prepared: The study.
        folder: Where to.
        arm: Its arm.
        trial: Its trial.
        ranges: Of the development scans.
        formats: Graphs beside the weights; those that lie in the folder are brought up to date.

    Raises:
        BadInput: See `write_graphs`.
    """
    rows, recipe = confirmations(prepared, arm, trial), recipe_of(prepared, arm, trial)
    networks = [
        network
        for seed in rows["seed"]
        for network in load_networks(model_path(prepared, arm, trial, int(seed)), recipe.config)
    ]
    save_networks(folder / WEIGHTS, networks)
    write_yaml(folder / CONFIG, recipe.model_dump(mode="json"))
    write_ranges(folder, ranges)
    graphs = write_graphs(
        folder, recipe.config, prepared.images_MDHW, formats, _known(folder), notes_of(recipe)
    )
    card = card_of(prepared, arm, trial, rows, recipe, networks, graphs)
    write_json(folder / "card.json", card)
    write_text(folder / "card.md", model_card(card))


def recipe_of(prepared: Prepared, arm: str, trial: int) -> Recipe:
    """How to train a configuration again: as it was confirmed, or as it was searched where it was not."""
    settings, rows = prepared.settings, confirmations(prepared, arm, trial)
    seeds = tuple(prepared.confirm_seed(int(seed)) for seed in rows["seed"])
    row = (rows if len(rows) else _searched(prepared, arm, trial)).iloc[0]
    return Recipe(
        config=TrialConfig.model_validate_json(row["config"]),
        length=int(row["length"]),
        preprocessing=prepared.arrays.preprocessing,
        folds=settings.validation.folds,
        repeats=settings.validation.repeats,
        holdout=settings.validation.scans if settings.validation.protocol == "paper" else None,
        stratify=settings.split.stratify,
        seeds=seeds or (settings.seed,),
        view_seed=settings.seed,
        unit=prepared.arrays.unit,
        label=settings.cohort.label,
        label_column=settings.cohort.label_column,
        suffix=settings.cohort.suffix,
        threads=max(1, int(settings.resources.cpus_per_trial)),
        scans=tuple(prepared.arrays.ids[position] for position in prepared.development),
    )


def confirmations(prepared: Prepared, arm: str, trial: int) -> pd.DataFrame:
    """The completed rows of confirmed.parquet of a configuration, by seed."""
    table = read_frame(prepared.directory.confirmed)
    mine = (table["arm"] == arm) & (table["trial"] == trial) & (table["status"] == "completed")
    return table[mine].sort_values("seed")


def _searched(prepared: Prepared, arm: str, trial: int) -> pd.DataFrame:
    table = read_frame(prepared.directory.trials)
    return table[(table["arm"] == arm) & (table["trial"] == trial)]


def _known(folder: Path) -> dict[str, Any]:
    """What an earlier card says about the graphs that lie there."""
    try:
        card = read_json(folder / "card.json")
    except BadInput:
        return {}
    return card.get("graphs", {}) if isinstance(card, dict) else {}
