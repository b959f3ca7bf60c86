"""Columns that the tables of search and confirm share."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from study.regression.config import TrialConfig


def describe(config: TrialConfig, training_scans: int) -> dict[str, Any]:
    """A configuration, whole (`config`, JSON) and by field, with its three faces of regularisation.

    Args:
        config: Of a trial.
        training_scans: m, the size of the smallest training fold.
    """
    return {
        "expected_set_size": config.expected_set_size,
        "mean_error_weight": config.mean_error_weight(training_scans),
        "distinct_sets": float(config.distinct_sets(training_scans)),
        "config": config.model_dump_json(),
        **{f"config.{field}": value for field, value in config.model_dump().items()},
    }


def oof_frame(
    stage: str,
    arm: str,
    trial: int,
    seed: int,
    *,
    oof_RM: NDArray[np.float64] | None = None,
    presentations: int = 0,
    scans: Sequence[str] = (),
    labels_M: NDArray[np.float64] | None = None,
) -> pd.DataFrame:
    """Out-of-fold predictions of one report, a row per repeat and scan that some fold held out.

    Args:
        stage: `search` or `confirm`.
        arm: Name.
        trial: Number.
        seed: Label of the confirm seed, 0 in the search.
        oof_RM: (R, M) predictions, label units; None gives the empty table.
        presentations: Of the report.
        scans: M ids.
        labels_M: (M,) label units.
    """
    oof_RM = np.empty((0, 0)) if oof_RM is None else oof_RM
    labels_M = np.empty(0) if labels_M is None else labels_M
    repeat, position = np.nonzero(~np.isnan(oof_RM))
    rows = len(repeat)
    return pd.DataFrame(
        {
            "stage": [stage] * rows,
            "arm": [arm] * rows,
            "trial": np.full(rows, trial),
            "seed": np.full(rows, seed),
            "repeat": repeat,
            "scan": np.array(scans, dtype=object)[position],
            "presentations": np.full(rows, presentations),
            "prediction": oof_RM[repeat, position],
            "label": labels_M[position],
        }
    )
