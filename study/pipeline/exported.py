"""One configuration as an export: recipe, and where it was confirmed its networks, their card and graphs."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

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

CONFIG, WEIGHTS, CARD = "config.yaml", "model.safetensors", "card.json"


class Refit(NamedTuple):
    """One seed's network of all development scans."""

    seed: int
    """Number of the confirmation with the same seed."""
    weights: Path
    training_mse: float
    """Of its own training scans, squared label units."""
    stuck: bool
    """Whether it fits them not clearly better than their mean label does."""


def ranges_of(prepared: Prepared) -> Ranges:
    """What the development scans looked like: all that the networks were trained on, and nothing else."""
    rows = prepared.development
    return Ranges.of(prepared.images_MDHW, prepared.arrays.shapes[rows], prepared.arrays.spacings[rows])


def write_export(
    prepared: Prepared,
    folder: Path,
    arm: str,
    trial: int,
    ranges: Ranges,
    formats: Collection[str] = (),
    refits: Sequence[Refit] = (),
) -> None:
    """Write a confirmed configuration: what `setsum predict` and `setsum train` read, and its card last.

    Args:
        prepared: The study.
        folder: Where to.
        arm: Its arm.
        trial: Its trial.
        ranges: Of the development scans.
        formats: Graphs beside the weights; those that lie in the folder are brought up to date.
        refits: To be written in place of the confirmed networks, at least one; none writes those.

    Raises:
        BadInput: See `write_graphs`.
    """
    rows, recipe = confirmations(prepared, arm, trial), recipe_of(prepared, arm, trial)
    weights = [model_path(prepared, arm, trial, int(seed)) for seed in rows["seed"]]
    if refits:
        weights = [refit.weights for refit in refits]
        seeds = tuple(prepared.confirm_seed(refit.seed) for refit in refits)
        recipe = recipe.model_copy(update={"refit": True, "seeds": seeds})
    networks = [network for path in weights for network in load_networks(path, recipe.config)]
    save_networks(folder / WEIGHTS, networks)
    write_yaml(folder / CONFIG, recipe.model_dump(mode="json"))
    write_ranges(folder, ranges)
    graphs = write_graphs(
        folder, recipe.config, prepared.images_MDHW, formats, _known(folder), notes_of(recipe)
    )
    card = card_of(prepared, arm, trial, rows, recipe, networks, graphs, fit_of(refits) if refits else None)
    write_json(folder / CARD, card)
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


def fit_of(refits: Sequence[Refit]) -> dict[str, Any]:
    """What a card says of networks that have no scores of their own."""
    return {
        "what": "one network a seed, trained on all development scans; `confirmed` and `test` are scores of "
        "other networks, each trained without some of them; the errors here are on the scans that trained",
        "training_mse": [refit.training_mse for refit in refits],
        "stuck": [refit.stuck for refit in refits],
    }


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
        card = read_json(folder / CARD)
    except BadInput:
        return {}
    return card.get("graphs", {}) if isinstance(card, dict) else {}
