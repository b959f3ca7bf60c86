"""The test stage: the only place that lets models see the test scans, and it writes down each time."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from study.cohort.arrays import CohortArrays
from study.cohort.rows import Rows
from study.pipeline.confirm import winners
from study.pipeline.prepared import Prepared
from study.pipeline.progress import Progress
from study.pipeline.worst import look_at_worst
from study.record import append_line, read_frame, read_lines, write_frame
from study.regression.augmentation import identity_transform
from study.regression.config import TrialConfig
from study.regression.histogram import fit_histogram_ridge
from study.regression.model import load_networks
from study.regression.prediction import draw_views, predict
from study.regression.reference import fit_threshold_rule

OWN = "test"
"""Name of the study's own test scans in predictions.parquet and test_log.jsonl."""


def test(prepared: Prepared, progress: Progress) -> None:
    """Predict the test scans with every arm's winner; logged before anything is predicted."""
    open_scans(prepared, OWN, prepared.arrays, prepared.test, progress)


def tested(prepared: Prepared) -> bool:
    """Whether the test scans have been predicted by exactly the present winners and seeds."""
    path = prepared.directory.predictions
    if not path.exists():
        return False
    rows = read_frame(path)
    rows = rows[(rows["cohort"] == OWN) & (rows["trial"] >= 0)]
    found = set(zip(rows["arm"], rows["trial"], rows["seed"], strict=True))
    return found == {
        (arm, trial, seed)
        for arm, trial in winners(prepared).items()
        for seed in _seeds(prepared, arm, trial)
    }


def times_opened(prepared: Prepared) -> int:
    """How often the study's own test scans have been opened."""
    return sum(line["cohort"] == OWN for line in read_lines(prepared.directory.test_log))


def open_scans(
    prepared: Prepared, name: str, arrays: CohortArrays, rows: NDArray[np.int64], progress: Progress
) -> None:
    """Log that scans are opened under a name, then write what winners and references predict of them."""
    directory, chosen = prepared.directory, winners(prepared)
    line: dict[str, Any] = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "cohort": name,
        "fingerprint": arrays.fingerprint,
        "scans": len(rows),
        "arms": list(chosen),
        "trials": len(read_frame(directory.trials)),
    }
    append_line(directory.test_log, line)
    images = Rows(arrays.images_MDHW, rows)
    tables, worst = [], []
    with progress.stage(f"predict {name}", len(chosen)) as update:
        for number, (arm, trial) in enumerate(chosen.items(), start=1):
            of_seeds, slices = _predict_arm(prepared, name, arm, trial, arrays, rows, images)
            tables += of_seeds
            worst.append(slices)
            update(number)
    tables += _references(prepared, name, arrays, rows, images)
    # The predictions last: where they lie, the stage is done.
    _replace(directory.worst, name, worst)
    _replace(directory.predictions, name, tables)


def _replace(path: Path, name: str, tables: list[pd.DataFrame]) -> None:
    """Write the rows of one cohort; those of others stay."""
    before = [frame[frame["cohort"] != name] for frame in [read_frame(path)]] if path.exists() else []
    write_frame(path, pd.concat([*before, *tables], ignore_index=True))


def _predict_arm(
    prepared: Prepared,
    name: str,
    arm: str,
    trial: int,
    arrays: CohortArrays,
    rows: NDArray[np.int64],
    images: Rows,
) -> tuple[list[pd.DataFrame], pd.DataFrame]:
    """Predictions of each confirmed seed, a table a seed, and slices of the scans that their mean missed."""
    config, device = _config(prepared, arm, trial), _device(prepared)
    views_V34 = draw_views(config, prepared.settings.seed)
    networks, tables = [], []
    for seed in _seeds(prepared, arm, trial):
        model = [
            network.to(device) for network in load_networks(model_path(prepared, arm, trial, seed), config)
        ]
        mean_M, as_is_M = (
            np.mean([predict(each, images, through, config=config, device=device) for each in model], axis=0)
            for through in (views_V34, identity_transform())
        )
        tables.append(_table(name, arm, trial, seed, arrays, rows, mean_M).assign(as_is=as_is_M))
        networks += model
    spacings_M3 = np.linalg.norm(arrays.affines[images.positions, :3, :3], axis=1)
    worst = look_at_worst(tables, images, spacings_M3, networks, views_V34, config=config, device=device)
    return tables, worst


def _device(prepared: Prepared) -> str:
    """A GPU where trials have some and this process sees one: a cluster's head often does not."""
    return "cuda" if prepared.settings.resources.gpus and torch.cuda.is_available() else "cpu"


def model_path(prepared: Prepared, arm: str, trial: int, seed: int) -> Path:
    """Where a confirmation's weights lie."""
    return prepared.directory.confirm / arm / f"{trial:05d}-{seed}" / "model.safetensors"


def _confirmed(prepared: Prepared, arm: str, trial: int) -> pd.DataFrame:
    table = read_frame(prepared.directory.confirmed)
    return table[(table["arm"] == arm) & (table["trial"] == trial) & (table["status"] == "completed")]


def _seeds(prepared: Prepared, arm: str, trial: int) -> list[int]:
    return sorted(int(seed) for seed in _confirmed(prepared, arm, trial)["seed"])


def _config(prepared: Prepared, arm: str, trial: int) -> TrialConfig:
    return TrialConfig.model_validate_json(_confirmed(prepared, arm, trial)["config"].iloc[0])


def _references(
    prepared: Prepared, name: str, arrays: CohortArrays, rows: NDArray[np.int64], images: Rows
) -> list[pd.DataFrame]:
    """Rules fitted on the development scans only."""
    labels_M = prepared.labels_M
    rule = fit_threshold_rule(prepared.images_MDHW, labels_M)
    ridge = fit_histogram_ridge(prepared.images_MDHW, labels_M)
    return [
        _table(name, arm, -1, 0, arrays, rows, predictions)
        for arm, predictions in (
            ("mean predictor", np.full(len(rows), labels_M.mean())),
            ("threshold rule", rule.predict(images)),
            ("histogram ridge", ridge.predict(images)),
        )
    ]


def _table(
    name: str,
    arm: str,
    trial: int,
    seed: int,
    arrays: CohortArrays,
    rows: NDArray[np.int64],
    predictions_M: NDArray[np.float64],
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "cohort": name,
            "arm": arm,
            "trial": trial,
            "seed": seed,
            "scan": [arrays.ids[row] for row in rows],
            "site": [arrays.sites[row] for row in rows],
            "group": [arrays.groups[row] for row in rows],
            "label": arrays.labels[rows],
            "truth": arrays.truths[rows],
            "prediction": predictions_M,
        }
    )
