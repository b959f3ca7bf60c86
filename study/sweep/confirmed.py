"""What confirming found, as two tables: a row a configuration and seed, and a row a prediction."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from study.record import read_frame, read_json
from study.regression.config import TrialConfig
from study.sweep.confirm_job import OOF, RESULT
from study.sweep.rows import no_oof

COLUMNS = (
    *("arm", "trial", "seed", "status", "length", "score", "mse", "mae", "icc", "verdict", "seconds"),
    *("expected_set_size", "mean_error_weight", "distinct_sets", "training_scans", "reason", "config"),
    *(f"config.{field}" for field in TrialConfig.model_fields),
)


def collect_confirm(directories: Sequence[Path]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Gather the results of confirm jobs by their directories; those without a result are passed over.

    Returns:
        `confirmed`, a row a job, failed ones with their reason and without scores; `oof`, the
        completed ones' out-of-fold predictions.
    """
    results = {path: read_json(path / RESULT) for path in directories if (path / RESULT).is_file()}
    confirmed = pd.DataFrame(list(results.values()), columns=list(COLUMNS))
    for score in ("score", "mse", "mae", "icc", "seconds"):
        confirmed[score] = confirmed[score].astype(np.float64)
    confirmed["verdict"] = confirmed["verdict"].astype(object).fillna("")
    frames = [read_frame(path / OOF) for path, result in results.items() if result["status"] == "completed"]
    return confirmed, pd.concat(frames, ignore_index=True) if frames else no_oof()
