"""Arms against each other on the same test scans, each arm averaged over its seeds first.

The primary result is the paired bootstrap interval of the ICC difference and the swap permutation
test. Williams' test on the ICCs stands beside them 'as in the paper, approximate', and after it the
test it was made for, on Pearson correlations, with Zou's interval: neither sees an arm's bias as the
ICC does.
"""

from collections.abc import Sequence
from zlib import crc32

import numpy as np
import pandas as pd

from analysis.correlations import zou_interval
from analysis.inference import holm, paired_bootstrap, swap_permutation, williams
from analysis.records import Records
from analysis.scores import pearson
from analysis.tested import averaged, groups_of, standing_predictions
from analysis.words import in_order, opened
from study.agreement import Floats, icc

SMALLEST_STRATUM = 5
"""Test scans, or groups of them, every site needs before resampling within sites: fewer hardly vary."""

ARMS_FAMILY = "arms"
"""Rows that claim an arm is better: every arm against `base`, `set_sum_dropout` against `dropout`."""
EXPLANATIONS = "explanations"
"""Rows that ask why `set_sum` is better: its ablations against it."""
ABLATIONS = ("blank_only", "bias_penalty")

COLUMNS = [
    "first",
    "second",
    "family",
    "scans",
    "groups",
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
    "pearson_difference",
    "pearson_low",
    "pearson_high",
    "williams_pearson_t",
    "williams_pearson_p",
]


def pairs_of_interest(arms: Sequence[str]) -> list[tuple[str, str]]:
    """Every arm against `base`, `set_sum_dropout` against `dropout`, ablations against `set_sum`."""
    present = in_order(arms)
    pairs = [(arm, "base") for arm in present if arm != "base" and "base" in present]
    extra = [("set_sum_dropout", "dropout"), *((ablation, "set_sum") for ablation in ABLATIONS)]
    return pairs + [pair for pair in extra if set(pair) <= set(present)]


def comparison_table(records: Records, cohort: str = "test") -> pd.DataFrame:
    """A row a pair of arms; differences are first minus second, intervals 95%. Scans of a group
    (one person's) are drawn and swapped together.

    `swap_p_icc_holm` is adjusted within each `family`: the claims that an arm is better are one, the
    explanations of `set_sum`'s gain another. Scans that only one arm predicted are left out of that
    pair. Empty without test predictions of two arms.
    """
    predictions = averaged(standing_predictions(records, cohort))
    arms = [arm for arm in predictions["arm"].unique() if arm in set(records.trials["arm"])]
    rows = [
        compared(predictions, first, second, records.seed) | {"family": _family(first, second)}
        for first, second in pairs_of_interest(arms)
    ]
    return finished(rows, records, cohort)


def finished(rows: Sequence[dict[str, object]], records: Records, cohort: str) -> pd.DataFrame:
    """Rows of `compared` with their `family` as a table, adjusted within families, with openings."""
    table = pd.DataFrame(rows, columns=COLUMNS)
    for members in table.groupby("family").groups.values():
        table.loc[members, "swap_p_icc_holm"] = holm(table.loc[members, "swap_p_icc"].astype(float))
    table["swap_p_icc_holm"] = table["swap_p_icc_holm"].astype(float)
    table["test_openings"], table["test_opened_at"] = opened(records.openings, cohort)
    return table


def compared(predictions: pd.DataFrame, first: str, second: str, seed: int) -> dict[str, object]:
    """Everything about one pair but its family: see COLUMNS.

    Args:
        predictions: arm, scan, site, group, label, prediction, seeds; a row an arm and scan (`averaged`).
        first, second: Arms, or reference rows.
        seed: The study's.
    """
    both = _side_by_side(predictions, first, second)
    x, y, labels = (both[name].to_numpy(float) for name in ("prediction", "prediction_second", "label"))
    groups = groups_of(both)
    strata = _strata(both["site"], groups)
    row: dict[str, object] = {
        "first": first,
        "second": second,
        "scans": len(both),
        "groups": len(set(groups)),
        "seeds_first": int(both["seeds"].max()) if len(both) else 0,
        "seeds_second": int(both["seeds_second"].max()) if len(both) else 0,
        "stratified": strata is not None,
    }
    # From the study's seed and the pair's names, so that neither other arms nor their order matter.
    source = [seed, crc32(f"{first} {second}".encode())]
    return row | _primary(x, y, labels, strata, groups, source) | _correlations(x, y, labels)


def _primary(
    x: Floats, y: Floats, labels: Floats, sites: list[str] | None, groups: list[str], source: list[int]
) -> dict[str, object]:
    drawn = np.random.default_rng(source)
    gap = paired_bootstrap(x, y, labels, generator=drawn, strata=sites, groups=groups)
    swap = swap_permutation(x, y, labels, generator=drawn, groups=groups)
    return {
        "icc_difference": gap.icc,
        "icc_low": gap.icc_interval.low,
        "icc_high": gap.icc_interval.high,
        "mse_difference": gap.mse,
        "mse_low": gap.mse_interval.low,
        "mse_high": gap.mse_interval.high,
        "swap_p_icc": swap.icc,
        "swap_p_mse": swap.mse,
    }


def _correlations(x: Floats, y: Floats, labels: Floats) -> dict[str, object]:
    n = len(labels)
    t, p = williams(float(icc(x, labels)), float(icc(y, labels)), float(icc(x, y)), n)
    r = pearson(x, labels), pearson(y, labels), pearson(x, y)
    limits = zou_interval(*r, n)
    of_pearson = williams(*r, n)
    return {
        "williams_t": t,
        "williams_p": p,
        "pearson_difference": r[0] - r[1],
        "pearson_low": limits.low,
        "pearson_high": limits.high,
        "williams_pearson_t": of_pearson[0],
        "williams_pearson_p": of_pearson[1],
    }


def _family(first: str, second: str) -> str:
    return EXPLANATIONS if first in ABLATIONS and second == "set_sum" else ARMS_FAMILY


def _side_by_side(predictions: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    one = predictions[predictions["arm"] == first]
    other = predictions.loc[predictions["arm"] == second, ["scan", "prediction", "seeds"]]
    return one.merge(other, on="scan", suffixes=("", "_second")).sort_values("scan", kind="stable")


def _strata(sites: "pd.Series[str]", groups: list[str]) -> list[str] | None:
    """The site of each scan; None where some site has too few groups, or a group was scanned at several."""
    of_groups = pd.DataFrame({"site": sites.fillna("").to_numpy(), "group": groups}).drop_duplicates()
    counts = of_groups["site"].value_counts()
    if len(counts) < 2 or counts.min() < SMALLEST_STRATUM or of_groups["group"].duplicated().any():
        return None
    return [str(site) for site in sites.fillna("")]
