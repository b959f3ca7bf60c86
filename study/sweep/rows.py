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
    oof_TRM: NDArray[np.float64],
    presentations_T: Sequence[int],
    scans: Sequence[str],
    labels_M: NDArray[np.float64],
) -> pd.DataFrame:
    """Out-of-fold predictions of a training, a row per report, repeat and scan that some fold held out.

    Args:
        stage: `search` or `confirm`.
        arm: Name.
        trial: Number.
        seed: Label of the confirm seed, 0 in the search.
        oof_TRM: (T, R, M) predictions at T reports, label units.
        presentations_T: Of the reports.
        scans: M ids.
        labels_M: (M,) label units.
    """
    report, repeat, position = np.nonzero(~np.isnan(oof_TRM))
    rows = len(repeat)
    frame = pd.DataFrame(
        {
            "stage": [stage] * rows,
            "arm": [arm] * rows,
            "trial": np.full(rows, trial),
            "seed": np.full(rows, seed),
            "repeat": repeat,
            "scan": np.array(scans, dtype=object)[position],
            "presentations": np.array(presentations_T, dtype=np.int64)[report],
            "prediction": oof_TRM[report, repeat, position],
            "label": labels_M[position],
        }
    )
    # Without rows nothing would tell that these are texts, and a file of them could not be searched.
    return frame.astype(dict.fromkeys(("stage", "arm", "scan"), "str"))


def no_oof() -> pd.DataFrame:
    """`oof_frame` of no training at all."""
    nothing = np.empty((0, 0, 0))
    return oof_frame("", "", 0, 0, oof_TRM=nothing, presentations_T=(), scans=(), labels_M=np.empty(0))
