"""Arms against each other on the same test scans, each arm averaged over its seeds first.

The primary result is the paired bootstrap interval of the ICC difference and the swap permutation
test; Williams' test on the ICCs stands beside them 'as in the paper, approximate'.
"""

from collections.abc import Sequence
from zlib import crc32

import numpy as np
import pandas as pd

from analysis.inference import holm, paired_bootstrap, swap_permutation, williams
from analysis.records import Records
from analysis.tested import averaged, standing_predictions
from analysis.words import in_order, opened
from study.agreement import icc

SMALLEST_STRATUM = 5
"""Test scans every site needs before resampling within sites: fewer hardly vary."""

COLUMNS = [
    "first",
    "second",
    "scans",
    "seeds_first",
    "seeds_second",
    "stratified",
    "icc_difference",
    "icc_low",
    "icc_high",
    "mse_difference",
    "mse_low",
    "mse_high",
    "swap_p_icc",
    "swap_p_icc_holm",
    "swap_p_mse",
    "williams_t",
    "williams_p",
]


def pairs_of_interest(arms: Sequence[str]) -> list[tuple[str, str]]:
    """Every arm against `base`, then `set_sum_dropout` against `dropout`, as far as they are there."""
    present = in_order(arms)
    pairs = [(arm, "base") for arm in present if arm != "base" and "base" in present]
    if {"set_sum_dropout", "dropout"} <= set(present):
        pairs.append(("set_sum_dropout", "dropout"))
    return pairs


def comparison_table(records: Records, cohort: str = "test") -> pd.DataFrame:
    """A row a pair of arms; differences are first minus second, intervals 95%.

    `swap_p_icc_holm` is adjusted over the table's rows. Scans that only one arm predicted are left
    out of that pair. Empty without test predictions of two arms.
    """
    predictions = averaged(standing_predictions(records, cohort))
    arms = [arm for arm in predictions["arm"].unique() if arm in set(records.trials["arm"])]
    rows = [_row(predictions, first, second, records.seed) for first, second in pairs_of_interest(arms)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    table["swap_p_icc_holm"] = holm(table["swap_p_icc"].astype(float))
    table["test_openings"], table["test_opened_at"] = opened(records.openings, cohort)
    return table


def _row(predictions: pd.DataFrame, first: str, second: str, seed: int) -> dict[str, object]:
    both = _side_by_side(predictions, first, second)
    x, y, labels = (both[name].to_numpy(float) for name in ("prediction", "prediction_second", "label"))
    sites = _strata(both["site"])
    # From the study's seed and the pair's names, so that neither other arms nor their order matter.
    drawn = np.random.default_rng([seed, crc32(f"{first} {second}".encode())])
    gap = paired_bootstrap(x, y, labels, generator=drawn, strata=sites)
    swap = swap_permutation(x, y, labels, generator=drawn)
    t, p = williams(float(icc(x, labels)), float(icc(y, labels)), float(icc(x, y)), len(both))
    return {
        "first": first,
        "second": second,
        "scans": len(both),
        "seeds_first": int(both["seeds"].max()) if len(both) else 0,
        "seeds_second": int(both["seeds_second"].max()) if len(both) else 0,
        "stratified": sites is not None,
        "icc_difference": gap.icc,
        "icc_low": gap.icc_interval.low,
        "icc_high": gap.icc_interval.high,
        "mse_difference": gap.mse,
        "mse_low": gap.mse_interval.low,
        "mse_high": gap.mse_interval.high,
        "swap_p_icc": swap.icc,
        "swap_p_mse": swap.mse,
        "williams_t": t,
        "williams_p": p,
    }


def _side_by_side(predictions: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    one = predictions[predictions["arm"] == first]
    other = predictions.loc[predictions["arm"] == second, ["scan", "prediction", "seeds"]]
    return one.merge(other, on="scan", suffixes=("", "_second")).sort_values("scan", kind="stable")


def _strata(sites: "pd.Series[str]") -> list[str] | None:
    counts = sites.fillna("").value_counts()
    if len(counts) < 2 or counts.min() < SMALLEST_STRATUM:
        return None
    return [str(site) for site in sites.fillna("")]
