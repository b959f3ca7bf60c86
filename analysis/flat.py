"""The flat region of a search: every trial within one standard error of the best, paired by scan.

Over all arms whose strength of regularisation the three faces describe; chosen on the scans that
the trials were searched with, so a description of the search, not a test.
"""

import numpy as np
import pandas as pd

from analysis.selection import least_regularised, near_best


def strengths(trials: pd.DataFrame) -> "pd.Series[bool]":
    """Whether the three faces say how strongly a trial was regularised: not those of mixup."""
    if "config.objective" not in trials:
        return pd.Series(data=True, index=trials.index)
    plain = trials["config.objective"] == "set_sum"
    # The blanks of this ablation are images that the network learns from: p is no set size there.
    return plain & (trials["arm"] != "blank_only")


def flat_region(trials: pd.DataFrame, chosen: pd.DataFrame) -> pd.DataFrame:
    """Rows of `trials` in the flat region, best first, with `least` at the least regularised one.

    Args:
        trials: Rows of trials.parquet.
        chosen: Errors by arm and trial (rows) and scan; of `read_searched`.
    """
    rows = trials[strengths(trials) & (trials["status"] == "completed")]
    rows = rows[np.isfinite(rows["score"].astype(float))].sort_values(
        ["score", "arm", "trial"], kind="stable"
    )
    rows.index = pd.MultiIndex.from_arrays([rows["arm"], rows["trial"]], names=[None, None])
    rows = rows[rows.index.isin(chosen.index)]
    if rows.empty:
        return rows.assign(least=pd.Series(dtype=bool)).reset_index(drop=True)
    best = rows.index[0]
    near = near_best(chosen.loc[rows.index].dropna(axis=1).T, best)
    rows = rows[rows.index.isin(near)]
    least = least_regularised(rows, pd.Series(rows.index == best, index=rows.index))
    flags = (rows["arm"] == least["arm"]) & (rows["trial"] == least["trial"])
    return rows.assign(least=flags).reset_index(drop=True)
