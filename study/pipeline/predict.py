"""Applying an export to new NIfTI files, preprocessing included. Needs no Ray."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from study.badinput import BadInput
from study.cohort.preprocess import Preprocessed, preprocess_files
from study.cohort.ranges import FILE, Ranges, read_ranges
from study.cohort.scan import Unlabelled
from study.cohort.unlabelled import find_scans
from study.cohort.volume import read_grid
from study.pipeline.progress import Progress
from study.record import atomic
from study.regression.device import check_device
from study.regression.model import load_networks
from study.regression.prediction import Predictor, draw_views, predict
from study.regression.recipe import Recipe, read_recipe


def predict_scans(
    export: Path,
    named: Sequence[Path],
    masks: Sequence[Path],
    progress: Progress,
    *,
    strict: bool = False,
    device: str = "cpu",
) -> pd.DataFrame:
    """A row a scan: id, prediction, the spread over the networks, and a warning where a scan is unlike
    those that the export was trained on.

    Args:
        export: A folder that `setsum export` or `setsum train` wrote.
        named: What `find_scans` takes: files, folders, patterns, manifests, BIDS folders.
        masks: One region mask a scan, in the same order, where the export was trained with masks and no
            manifest names them.
        progress: Shows how far it is, and says how many scans are unlike.
        strict: Refuse a scan that is unlike instead.
        device: Where the networks run.

    Returns:
        Columns id, prediction (mean over networks and views, label units), sd (over networks), warning
        (empty where there is none).

    Raises:
        BadInput: The export or a scan cannot be read, masks are missing, or a scan is unlike the
            training's under `strict`.
    """
    check_device(device)
    recipe, ranges = read_recipe(export / "config.yaml"), _ranges(export, strict)
    networks = [network.to(device) for network in load_networks(export / "model.safetensors", recipe.config)]
    scans = _with_masks(recipe, find_scans(named, recipe.suffix), masks)
    _check_headers(scans, ranges, strict)
    rows = []
    with progress.stage("predict", len(scans)) as update:
        for number, scan in enumerate(scans, start=1):
            read = preprocess_files(scan.image, scan.mask, None, recipe.preprocessing)
            unlike = ranges.unlike(read.shape, read.spacing, read.image_DHW) if ranges else ""
            if strict and unlike:
                raise _unlike(scan, unlike)
            predictions_K = _predict_one(recipe, networks, read, device)
            spread = predictions_K.std(ddof=min(1, len(networks) - 1))
            rows.append((scan.id, predictions_K.mean(), spread, unlike))
            update(number)
    table = pd.DataFrame(rows, columns=["id", "prediction", "sd", "warning"])
    if ranges is None:
        progress.note(f"warning: {_NO_RANGES} ({export}). {_AGAIN}")
    elif marked := int((table["warning"] != "").sum()):
        progress.note(f"warning: {marked} of {len(table)} scans are unlike the training's: column `warning`")
    return table


_NO_RANGES = f"{FILE} is missing, so scans cannot be compared with those of the training"
_AGAIN = "Export again: setsum export STUDY_DIR"


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


def _ranges(export: Path, strict: bool) -> Ranges | None:
    """Of the training scans; an old export has none, which `strict` refuses."""
    ranges = read_ranges(export)
    if ranges is None and strict:
        raise BadInput(_NO_RANGES, where=str(export), fix=_AGAIN)
    return ranges


def _check_headers(scans: Sequence[Unlabelled], ranges: Ranges | None, strict: bool) -> None:
    """Read every header first: a file that is no scan is named before hours of predicting.

    Raises:
        BadInput: One cannot be read, or under `strict` is unlike the training's.
    """
    for scan in scans:
        unlike = ranges.unlike_grid(*read_grid(scan.image)) if ranges else []
        if strict and unlike:
            raise _unlike(scan, "; ".join(unlike))


def _unlike(scan: Unlabelled, unlike: str) -> BadInput:
    return BadInput(
        f"unlike the training scans: {unlike}",
        where=str(scan.image),
        fix="Leave the scan out, or predict it without --strict",
    )


def _with_masks(recipe: Recipe, scans: Sequence[Unlabelled], masks: Sequence[Path]) -> list[Unlabelled]:
    """The scans with their region masks, given beside them or in a manifest; without, if none are used.

    Raises:
        BadInput: Masks are missing, or given where none are used.
    """
    if recipe.preprocessing.region != "mask":
        if masks:
            raise BadInput(
                f"this export needs 0 region mask(s) for {len(scans)} scan(s), got {len(masks)}",
                fix="Leave out --mask",
            )
        return [replace(scan, mask=None) for scan in scans]
    if not masks and all(scan.mask for scan in scans):
        return list(scans)
    if len(masks) != len(scans):
        raise BadInput(
            f"this export needs {len(scans)} region mask(s) for {len(scans)} scan(s), got {len(masks)}",
            fix="Give one --mask a scan, in the same order, or a manifest with a column `mask`",
        )
    return [replace(scan, mask=mask) for scan, mask in zip(scans, masks, strict=True)]


def _predict_one(
    recipe: Recipe, networks: Sequence[Predictor], read: Preprocessed, device: str
) -> NDArray[np.float64]:
    """Predictions of the K networks, (K,)."""
    views = draw_views(recipe.config, recipe.view_seed)
    return np.array(
        [
            predict(network, read.image_DHW[None], views, config=recipe.config, device=device)[0]
            for network in networks
        ]
    )
