"""What intervals are worth: which method comes closest to the 95% it promises, and how close.

Both come from the table that `analysis.calibration` found by simulation and that ships with this package.
No method covers skewed labels well on a few dozen scans, so what it covers is told wherever an interval is
shown: the range over label distributions, with and without a biased arm, at the study's number of scans.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.populations import ICC

TABLE = Path(__file__).with_name("coverage.csv")
"""The simulation's table; see `analysis.calibration.simulate` for its columns."""
PROMISED = 0.95
DIFFERENCES = ("icc_difference", "mse_difference")
PEARSON = ("pearson_difference",)

QUANTITIES = {
    ("icc",): "an ICC",
    DIFFERENCES: "differences in ICC and MSE",
    PEARSON: "differences in Pearson correlation",
}
METHODS = {
    "F": "F-based",
    "percentile": "percentile bootstrap",
    "bca": "BCa bootstrap",
    "studentised": "studentised bootstrap",
    "symmetric": "symmetric studentised bootstrap",
    "jackknife": "jackknife",
    "fisher": "jackknife on Fisher's z",
    "fisher_studentised": "studentised bootstrap on Fisher's z",
    "zou": "Zou's method",
}
LABELS = {
    "normal": "normal labels",
    "lognormal": "skewed labels",
    "lognormal_growing": "skewed labels and errors that grow with them",
    "t3": "heavy-tailed labels",
}
TESTS = {
    ("swap", "icc"): "the swap test",
    ("williams", "icc"): "Williams' test on ICCs",
    ("williams", "pearson"): "Williams' test on Pearson correlations",
}


class Coverage(NamedTuple):
    """Share of simulated studies whose interval held the truth, over label distributions."""

    low: float
    high: float
    lowest_with: str
    """The distribution with the lowest, a key of `LABELS`."""
    scans: int
    """Of the studies: those asked for, or the nearest simulated where they lie outside."""


def simulated() -> pd.DataFrame:
    """The rows of the shipped table that tell coverage; don't change them."""
    return _of_kind("coverage")


@cache
def _of_kind(kind: str) -> pd.DataFrame:
    table = pd.read_csv(TABLE)
    return table[table["kind"] == kind].drop(columns="kind")


def default_method(*quantities: str, table: pd.DataFrame | None = None) -> str:
    """The method whose coverage lies closest to 95%, on average over the cells of the table.

    Args:
        quantities: Such as `icc`, or several that are shown with one method.
        table: Of `simulated`, which is the default.
    """
    rows = _rows(quantities, simulated() if table is None else table)
    distance = (rows["rate"] - PROMISED).abs().groupby(rows["method"], sort=False).mean()
    return str(distance.idxmin())


def measured_coverage(
    *quantities: str, scans: int, method: str | None = None, table: pd.DataFrame | None = None
) -> Coverage:
    """Lowest and highest coverage over the simulated populations, at the study's number of scans.

    Between simulated numbers it is interpolated, linearly in the logarithm; outside them it is that of the
    nearest.

    Args:
        quantities: As for `default_method`, which chooses the method where none is given.
        scans: Of the study.
    """
    table = simulated() if table is None else table
    rows = _rows(quantities, table)
    rows = rows[rows["method"] == (method or default_method(*quantities, table=table))]
    sizes = np.sort(rows["scans"].unique())
    reached = int(np.clip(scans, sizes[0], sizes[-1]))
    cells = rows.pivot_table(index=["distribution", "biased", "quantity"], columns="scans", values="rate")
    at_scans = [np.interp(np.log(reached), np.log(sizes), rates) for rates in cells[sizes].to_numpy()]
    lowest = cells.index.get_level_values("distribution")[int(np.argmin(at_scans))]
    return Coverage(float(np.min(at_scans)), float(np.max(at_scans)), str(lowest), reached)


def coverage_sentence(*quantities: str, scans: int) -> str:
    """The sentence that stands beside intervals; `quantities` is a key of `QUANTITIES`."""
    found = measured_coverage(*quantities, scans=scans)
    runs = int(simulated()["runs"].min())
    where = f"of {found.scans} scans"
    if scans != found.scans:
        where += " (the fewest simulated)" if scans < found.scans else " (the most simulated)"
    held = f"{100 * found.low:.0f} to {100 * found.high:.0f} of 100 studies"
    tried = _rows(quantities, simulated())["method"].nunique()
    chosen = f", of {tried} methods the one closest to 95%" if tried > 1 else ""
    method = METHODS[default_method(*quantities)]
    return (
        f"95% intervals of {QUANTITIES[quantities]} are by {method}{chosen}. In simulations of a true ICC of "
        f"{ICC:.1f} ({runs:,} studies of each kind), {where} they held the truth in {held}, least with "
        f"{LABELS[found.lowest_with]}: on few scans with skewed labels they are too narrow."
    )


def coverage_note(scans: pd.Series, *quantities: str) -> str:
    """The sentence for intervals of several studies, at the fewest of their `scans`; empty without any."""
    known = scans.dropna()
    return coverage_sentence(*quantities, scans=int(known.min())) if len(known) else ""


def rejection_sentence() -> str:
    """How often each test tells arms of equal ICC apart at 5%: exchangeable ones, and where one is biased."""
    table, parts = _of_kind("rejection"), []
    for (method, quantity), name in TESTS.items():
        rows = table[(table["method"] == method) & (table["quantity"] == quantity)]
        alike, biased = (_percent(rows.loc[rows["biased"] == which, "rate"]) for which in (False, True))
        parts.append(f"{name} told exchangeable arms apart in {alike}, and a biased arm in {biased}")
    return (
        f"In the same simulations of arms with equal ICCs, at 0.05 and over all their labels and numbers of "
        f"scans, {'; '.join(parts)}. The swap test asks whether the arms are exchangeable on each scan, "
        "which a biased arm is not, whatever its ICC."
    )


def _percent(rates: "pd.Series[float]") -> str:
    return f"{100 * rates.min():.1f} to {100 * rates.max():.1f}%"


def with_coverage(
    table: pd.DataFrame, *quantities: str, scans: str, interval: str = "icc_low"
) -> pd.DataFrame:
    """The table with `interval_method`, `coverage_low` and `coverage_high` in rows that hold an interval.

    Coverage is missing below and above the numbers of scans that were simulated.

    Args:
        quantities: As for `default_method`.
        scans: The column with the number of scans.
        interval: A column that is missing where there is no interval.
    """
    held = table[interval].notna()
    found = {
        size: measured_coverage(*quantities, scans=int(size)) for size in table.loc[held, scans].unique()
    }
    table = table.copy()
    method = pd.Series(default_method(*quantities), table.index, dtype=object)
    table["interval_method"] = method.where(held)
    for bound in ("low", "high"):
        values = [
            getattr(found[size], bound) if here and found[size].scans == size else np.nan
            for size, here in zip(table[scans], held, strict=True)
        ]
        table[f"coverage_{bound}"] = np.round(values, 4)
    return table


def _rows(quantities: tuple[str, ...], table: pd.DataFrame) -> pd.DataFrame:
    return table[table["quantity"].isin(quantities)]
