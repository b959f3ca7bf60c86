"""Applying an export to new NIfTI files, preprocessing included. Needs no Ray."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from study.badinput import BadInput
from study.cohort.preprocess import preprocess_files
from study.pipeline.progress import Progress
from study.record import atomic
from study.regression.device import check_device
from study.regression.model import load_networks
from study.regression.prediction import Predictor, draw_views, predict
from study.regression.recipe import Recipe, read_recipe


def predict_scans(
    export: Path,
    scans: Sequence[Path],
    masks: Sequence[Path],
    progress: Progress,
    *,
    device: str = "cpu",
    regressor: str | None = None,
) -> pd.DataFrame:
    """A row a scan: id (the path as given), prediction, and the spread over the networks.

    Args:
        export: A folder that `setsum export` or `setsum train` wrote.
        scans: NIfTI files.
        masks: One region mask a scan, in the same order, where the export was trained with masks.
        progress: Shows how far it is.
        device: Where the networks run.
        regressor: As for `read_recipe`.

    Returns:
        Columns id, prediction (mean over networks and views, label units), sd (over networks).

    Raises:
        BadInput: The export or a scan cannot be read, or masks are missing.
    """
    check_device(device)
    recipe = read_recipe(export / "config.yaml", regressor)
    networks = [network.to(device) for network in load_networks(export / "model.safetensors", recipe.config)]
    _check_masks(recipe, scans, masks)
    rows = []
    with progress.stage("predict", len(scans)) as update:
        for number, scan in enumerate(scans, start=1):
            mask = masks[number - 1] if masks else None
            predictions_K = _predict_one(recipe, networks, scan, mask, device)
            rows.append((str(scan), predictions_K.mean(), predictions_K.std(ddof=min(1, len(networks) - 1))))
            update(number)
    return pd.DataFrame(rows, columns=["id", "prediction", "sd"])


def check_output(path: Path) -> None:
    """Refuse a file that predictions could not be written to, before they are made.

    Raises:
        BadInput: An unknown ending, or a folder.
    """
    if path.suffix not in (".csv", ".tsv", ".parquet"):
        raise BadInput(f"predictions are .csv, .tsv or .parquet, got `{path.suffix}`", where=str(path))
    if path.is_dir():
        raise BadInput("is a folder", where=str(path), fix="Name a file")


def write_predictions(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, TSV or Parquet, by the file's ending.

    Raises:
        BadInput: As `check_output`.
    """
    check_output(path)
    with atomic(path) as stream:
        if path.suffix == ".parquet":
            table.to_parquet(stream, index=False)
        else:
            table.to_csv(stream, index=False, sep="\t" if path.suffix == ".tsv" else ",")


def _check_masks(recipe: Recipe, scans: Sequence[Path], masks: Sequence[Path]) -> None:
    needed = len(scans) if recipe.preprocessing.region == "mask" else 0
    if len(masks) != needed:
        raise BadInput(
            f"this export needs {needed} region mask(s) for {len(scans)} scan(s), got {len(masks)}",
            fix="Give one --mask a scan, in the same order" if needed else "Leave out --mask",
        )


def _predict_one(
    recipe: Recipe, networks: Sequence[Predictor], scan: Path, mask: Path | None, device: str
) -> NDArray[np.float64]:
    """Predictions of the K networks, (K,)."""
    image_DHW = preprocess_files(scan, mask, None, recipe.preprocessing).image_DHW
    views = draw_views(recipe.config, recipe.view_seed)
    return np.array(
        [
            predict(network, image_DHW[None], views, config=recipe.config, device=device)[0]
            for network in networks
        ]
    )
