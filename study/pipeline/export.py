"""The export stage: each arm's winning configuration, its confirmed models' weights, and a card."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from study.agreement import icc, mse
from study.pipeline.confirm import winners
from study.pipeline.prepared import Prepared
from study.pipeline.test import OWN, model_path, times_opened
from study.record import read_frame, read_json, write_json, write_text, write_yaml
from study.regression.config import TrialConfig
from study.regression.model import load_networks, save_networks
from study.regression.recipe import Recipe

FORMAT = 1


def export(prepared: Prepared) -> list[Path]:
    """Write export/<arm>/ for every arm: config.yaml, model.safetensors, card.json and card.md."""
    confirmed = read_frame(prepared.directory.confirmed)
    folders = []
    for arm, trial in winners(prepared).items():
        rows = confirmed[
            (confirmed["arm"] == arm) & (confirmed["trial"] == trial) & (confirmed["status"] == "completed")
        ].sort_values("seed")
        folder = prepared.directory.export / arm
        recipe = _recipe(prepared, rows)
        networks = [
            network
            for seed in rows["seed"]
            for network in load_networks(model_path(prepared, arm, trial, int(seed)), recipe.config)
        ]
        card = _card(prepared, arm, trial, rows) | _sizes(networks)
        save_networks(folder / "model.safetensors", networks)
        write_yaml(folder / "config.yaml", recipe.model_dump(mode="json"))
        write_json(folder / "card.json", card)
        write_text(folder / "card.md", _card_text(card))
        folders.append(folder)
    return folders


def _recipe(prepared: Prepared, rows: pd.DataFrame) -> Recipe:
    validation = prepared.settings.validation
    return Recipe(
        config=TrialConfig.model_validate_json(rows["config"].iloc[0]),
        length=int(rows["length"].iloc[0]),
        preprocessing=prepared.arrays.preprocessing,
        folds=validation.folds,
        repeats=validation.repeats,
        holdout=validation.scans if validation.protocol == "paper" else None,
        stratify=prepared.settings.split.stratify,
        seeds=tuple(prepared.confirm_seed(int(seed)) for seed in rows["seed"]),
        view_seed=prepared.settings.seed,
        unit=prepared.arrays.unit,
        scans=tuple(prepared.arrays.ids[position] for position in prepared.development),
    )


def _sizes(networks: Sequence[nn.Module]) -> dict[str, int]:
    parameters = sum(parameter.numel() for parameter in networks[0].parameters())
    return {"networks": len(networks), "parameters_a_network": parameters}


def _card(prepared: Prepared, arm: str, trial: int, rows: pd.DataFrame) -> dict[str, Any]:
    """What these very models scored, and where they come from."""
    return {
        "format": FORMAT,
        "arm": arm,
        "trial": trial,
        "unit": prepared.arrays.unit,
        "trained_on": {"development_scans": len(prepared.development), "seeds": len(rows)},
        "confirmed": {
            "what": "pooled out-of-fold predictions, a row a seed; chosen on the same scans",
            "mse": [float(value) for value in rows["mse"]],
            "icc": [float(value) for value in rows["icc"]],
            "verdict": [str(value) for value in rows["verdict"]],
        },
        "test": _tested(prepared, arm, trial, [int(seed) for seed in rows["seed"]]),
        "provenance": read_json(prepared.directory.provenance),
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
    mean = table.groupby("scan", sort=True)[["prediction", "label"]].mean()
    predictions, labels = np.asarray(mean["prediction"]), np.asarray(mean["label"])
    return {
        "what": "mean prediction of all networks on scans that no trial saw",
        "scans": len(mean),
        "mse": float(mse(predictions, labels)),
        "icc_A1": float(icc(predictions, labels)),
        "times_opened": times_opened(prepared),
    }


def _card_text(card: dict[str, Any]) -> str:
    confirmed, tested, trained = card["confirmed"], card["test"], card["trained_on"]
    scores = ", ".join(f"{value:.4g}" for value in confirmed["mse"])
    agreement = ", ".join(f"{value:.3f}" for value in confirmed["icc"])
    test_line = (
        f"MSE {tested['mse']:.4g}, ICC(A,1) {tested['icc_A1']:.3f} on {tested['scans']} scans; "
        f"times the test set has been opened: {tested['times_opened']}"
        if tested
        else "not tested"
    )
    revision = card["provenance"]["git"] or "unknown"
    return f"""# {card["arm"]}: {card["networks"]} networks that predict {card["unit"]} from a 3D scan

| what | value |
|---|---|
| arm, trial | {card["arm"]}, {card["trial"]} |
| trained on | {trained["development_scans"]} development scans; seeds: {trained["seeds"]} |
| confirmed MSE (a value a seed) | {scores} |
| confirmed ICC(A,1) | {agreement} |
| verdict of the trainings | {", ".join(confirmed["verdict"])} |
| the networks' mean prediction on test scans | {test_line} |
| cohort fingerprint | `{card["provenance"]["fingerprint"][:16]}` |
| code | `{revision}` |

Confirmed scores are of pooled out-of-fold predictions on the scans that chose the configuration; only the
test line is unbiased, and only while the test set is opened once.

Predict with it: `setsum predict FOLDER scan.nii.gz -o predictions.csv`. Train it again:
`setsum train FOLDER/config.yaml --cohort COHORT`.
"""
