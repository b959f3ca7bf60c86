"""What a study could have found: the smallest difference in ICC that its test scans can show.

Studies are simulated from the study's own test scans. Scans are drawn with replacement, each with its
label and the errors of both arms of a pair, so that the labels' distribution and the correlation of the
errors stay; each arm's errors are stretched by one factor, so that over those scans the arms' ICCs are
as far apart as assumed, half of it either side of what the pair has on average. Each simulated study is
put to the primary test, the paired swap permutation test of the ICC difference, for a single pair: Holm's
correction over several arms needs more. That the study's own scans stand for all there could be is the
assumption of every bootstrap, and on few scans a strong one.
"""

from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

import numpy as np
import pandas as pd
from scipy import special

from analysis.records import Records
from analysis.swaps import draw_swaps, swap_p
from analysis.tested import averaged, standing_predictions
from study.agreement import Floats

POWER = 0.8
"""Share of studies that find the difference."""
SIZE = 0.05
"""Level of the test."""
SOUGHT = 0.05
"""Difference in ICC for which the number of scans is asked."""
STUDIES = 2000
"""Simulated studies: the standard error of a power of 80% is 0.9 points."""
FEWEST, MOST = 8, 3000
"""Numbers of scans that are tried."""
BLOCK = 100
"""Studies that are in memory together."""
ROUNDS = 12
"""Evaluations at most; three to six are enough."""
ERROR = float(np.sqrt(POWER * (1 - POWER) / STUDIES))
"""Monte Carlo standard error of the power."""
ARRIVES = float(special.ndtri(0.975) + special.ndtri(POWER))
"""Difference in its own standard errors at which a normal test of size 5% has the power."""

COLUMNS = [
    "first",
    "second",
    "scans",
    "icc_midpoint",
    "detectable_difference",
    "power_there",
    "sought_difference",
    "scans_needed",
    "power_with_them",
    "power_error",
]


class Pair(NamedTuple):
    """Errors of two arms, each in label units, and labels, of the same scans; hashable."""

    first: tuple[float, ...]
    second: tuple[float, ...]
    labels: tuple[float, ...]


class Found(NamedTuple):
    """Where the power is as wanted (NaN: nowhere; infinite: beyond `MOST` scans) and the power there."""

    where: float
    power: float


def detectable_table(records: Records, comparison: pd.DataFrame) -> pd.DataFrame:
    """A row a pair of arms that claims one is better: what its test scans could show, and what 0.05 needs.

    Columns: `icc_midpoint`, the mean ICC of the two; `detectable_difference`, found by the swap test at
    0.05 in 80% of simulated studies, NaN where not even the largest difference around that midpoint is;
    `scans_needed` for `sought_difference`, infinite where 3,000 are too few and NaN where it does not fit
    around the midpoint; the simulated power at both, with `power_error`, its Monte Carlo standard error.

    Args:
        comparison: See `analysis.comparison.comparison_table`.
    """
    means = averaged(standing_predictions(records))
    rows = []
    for first, second in comparison.loc[comparison["family"] == "arms", ["first", "second"]].to_numpy():
        pair = _pair(means, first, second)
        seed = (records.seed, crc32(f"{first} {second} detectable".encode()))
        difference, needed = smallest_difference(pair, seed), scans_needed(pair, seed)
        row = {"first": first, "second": second, "scans": len(pair.labels), "icc_midpoint": _midpoint(pair)}
        row |= {"detectable_difference": difference.where, "power_there": difference.power}
        row |= {"scans_needed": needed.where, "power_with_them": needed.power}
        rows.append(row | {"sought_difference": SOUGHT, "power_error": ERROR})
    return pd.DataFrame(rows, columns=COLUMNS)


def detectable_sentence(table: pd.DataFrame) -> str:
    """What the study could have found, of `set_sum` against `base` or else the first pair; may be empty."""
    if table.empty:
        return ""
    of_sets = table[(table["first"] == "set_sum") & (table["second"] == "base")]
    row = (of_sets if len(of_sets) else table).iloc[0]
    if pd.isna(row["detectable_difference"]):
        return ""
    text = (
        f"With {row['scans']} test scans this study would have told {row['first']} from {row['second']} in "
        f"80 of 100 cases had their true ICCs been {row['detectable_difference']:.2g} apart (simulated from "
        "its own errors; one comparison, swap test at 0.05)"
    )
    if pd.isna(row["scans_needed"]):
        return f"{text}."
    # Two digits: the simulation's own error is a few in a hundred.
    scans = float(f"{row['scans_needed']:.2g}")
    needed = f"about {scans:,.0f}" if np.isfinite(scans) else f"over {MOST:,}"
    return f"{text}; for a difference of {row['sought_difference']:g} it takes {needed} test scans."


# Findings and report of one run ask for the same.
@lru_cache(maxsize=64)
def smallest_difference(pair: Pair, seed: tuple[int, int]) -> Found:
    """The smallest true ICC difference that as many scans as the pair has show with power 80%."""
    scans, largest = len(pair.labels), _largest(pair)
    if not largest > 0 or scans < FEWEST:
        return Found(float("nan"), float("nan"))
    difference = min(0.1, largest)
    for _ in range(ROUNDS):
        power = power_of(pair, difference, scans, seed)
        if abs(power - POWER) <= ERROR / 2 or (difference == largest and power < POWER):
            break
        difference = min(difference * ARRIVES / _noncentrality(power), largest)
    return Found(difference if abs(power - POWER) <= 2 * ERROR else float("nan"), power)


@lru_cache(maxsize=64)
def scans_needed(pair: Pair, seed: tuple[int, int]) -> Found:
    """The number of scans with which a true ICC difference of 0.05 is found with power 80%."""
    if not _largest(pair) > SOUGHT or len(pair.labels) < FEWEST:
        return Found(float("nan"), float("nan"))
    scans, tried = len(pair.labels), dict[int, float]()
    while scans not in tried and len(tried) < ROUNDS:
        tried[scans] = power_of(pair, SOUGHT, scans, seed)
        wanted = np.ceil(scans * (ARRIVES / _noncentrality(tried[scans])) ** 2)
        scans = int(np.clip(wanted, max(FEWEST, scans // 8), min(MOST, scans * 8)))
    enough = [scans for scans, power in tried.items() if power >= POWER - ERROR / 2]
    if enough:
        return Found(float(min(enough)), tried[min(enough)])
    most = max(tried)
    return Found(float("inf") if most >= MOST else float("nan"), tried[most])


def power_of(pair: Pair, difference: float, scans: int, seed: tuple[int, int]) -> float:
    """Share of simulated studies in which the swap test, at 0.05, tells the arms apart.

    Args:
        pair: Errors and labels of the study's test scans.
        difference: True difference in ICC, first arm the better one.
        scans: Test scans of each simulated study.
        seed: The same for every difference and number of scans, so that power grows with both.
    """
    labels_M = np.array(pair.labels)
    middle = _midpoint(pair)
    arms_2M = np.stack(
        [
            labels_M + stretch(np.array(errors), labels_M, middle + sign * difference / 2) * np.array(errors)
            for errors, sign in ((pair.first, 1), (pair.second, -1))
        ]
    )
    swaps_source, *sources = np.random.SeedSequence(seed).spawn(1 + STUDIES // BLOCK)
    swaps_MP = draw_swaps(scans, np.random.default_rng(swaps_source))
    rejected = []
    for source in sources:
        # A larger study is a smaller one with more scans: power then grows with their number.
        drawn_RM = np.random.default_rng(source).integers(0, labels_M.size, (scans, BLOCK)).T
        first_RM, second_RM = arms_2M[:, drawn_RM]
        rejected.append(swap_p(first_RM, second_RM, labels_M[drawn_RM], swaps_MP) <= SIZE * (1 + 1e-9))
    return float(np.mean(rejected))


def stretch(errors_M: Floats, labels_M: Floats, target: float) -> float:
    """The factor of an arm's errors with which its ICC over these scans (as a population) is `target`.

    With v the labels' variance, c their covariance with the errors and s the errors' mean square,
    ICC(A,1) of labels + k errors is 1 - k² s / (2 v + 2 k c + k² s): a quadratic equation in k.

    Args:
        target: In (0, 1).
    """
    v, s = float(labels_M.var()), float(np.mean(errors_M**2))
    c = float(np.mean((labels_M - labels_M.mean()) * errors_M))
    a = (1 - target) * c
    return (a + float(np.sqrt(a**2 + 2 * target * (1 - target) * s * v))) / (target * s)


def _midpoint(pair: Pair) -> float:
    labels_M = np.array(pair.labels)
    return float(np.mean([_population_icc(np.array(errors), labels_M) for errors in pair[:2]]))


def _population_icc(errors_M: Floats, labels_M: Floats) -> float:
    s = np.mean(errors_M**2)
    total = labels_M.var() + (labels_M + errors_M).var() + errors_M.mean() ** 2
    return float(1 - s / total) if s > 0 and labels_M.var() > 0 else float("nan")


def _largest(pair: Pair) -> float:
    """Nearly the largest difference that fits around the midpoint; NaN where an arm has no ICC."""
    middle = _midpoint(pair)
    return 1.98 * min(middle, 1 - middle)


def _noncentrality(power: float) -> float:
    """The difference in its standard errors at which a normal test would have this power."""
    seen = np.clip(power, 0.075, 1 - 1 / STUDIES)
    return float(special.ndtri(0.975) + special.ndtri(seen))


def _pair(means: pd.DataFrame, first: str, second: str) -> Pair:
    wide = means[means["arm"].isin([first, second])].pivot(index="scan", columns="arm", values="prediction")
    wide = wide.assign(label=means.groupby("scan")["label"].first()).dropna().sort_index()
    errors = wide[[first, second]].sub(wide["label"], axis=0)
    return Pair(tuple(errors[first]), tuple(errors[second]), tuple(wide["label"]))
