"""When does set-sum pay? A map of phantom cohorts read into a table, a figure and a page.

`python -m analysis.paying MAP_DIR` writes MAP_DIR/findings and MAP_DIR/report.html. The units of every
interval are cohorts: scans of one phantom are not independent evidence about a cell.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from scipy import stats

from analysis import page
from analysis.drawing import Drawing
from analysis.files import write_all
from analysis.script import run_script
from analysis.style import INK, styled
from analysis.words import fixed, interval, signed
from study.badinput import BadInput
from study.record import StudyDirectory, read_json, write_text

CELLS = "cells"
"""Folder of a map's results, a JSON file a training."""
CELL = ["scans", "rater_noise", "presentations"]
BASE = "base"


def read_cells(root: Path) -> pd.DataFrame:
    """Results so far, a row a training and length.

    Columns: arm, scans, rater_noise, cohort, presentations, icc, mse. `icc` is agreement with the labels
    without rater noise on the test scans, `mse` its share of their variance; both are NaN where a training
    diverged.

    Raises:
        BadInput: There are none, or one is damaged.
    """
    rows = [row for file in sorted((root / CELLS).glob("*.json")) for row in read_json(file)["rows"]]
    if not rows:
        raise BadInput("no training has ended yet", where=str(root), fix=f"Go on: setsum resume {root}")
    order = [*CELL, "arm", "cohort"]
    return pd.DataFrame(rows).sort_values(order, kind="stable").reset_index(drop=True)


def paying_table(cells: pd.DataFrame) -> pd.DataFrame:
    """A row a cell and arm other than `base`: its ICC, that of base, and their difference over cohorts.

    `low` and `high` are the 95% interval of the mean difference by Student's t with cohorts - 1 degrees of
    freedom, paired by cohort; `pays` is `yes` where it lies above zero, `no` below, `undecided` otherwise.
    Cohorts without a finite score of both arms are left out and not counted in `cohorts`.
    """
    wide = cells.pivot_table(index=[*CELL, "cohort"], columns="arm", values="icc", dropna=False)
    if BASE not in wide:
        raise BadInput(f"a map compares with the arm `{BASE}`, which is not there", where="arms")
    rows = []
    for arm in wide.columns.drop(BASE):
        for cell, group in wide[[BASE, arm]].dropna().groupby(level=CELL):
            rows.append(dict(zip(CELL, cell, strict=True)) | {"arm": arm} | _difference(group, arm))
    return pd.DataFrame(rows)


def paying_sentence(table: pd.DataFrame) -> str:
    """How many cells were decided, and which way."""
    parts = []
    for arm, rows in table.groupby("arm", sort=False):
        counts = rows["pays"].value_counts()
        low, high = signed(rows["difference"].min()), signed(rows["difference"].max())
        parts.append(
            f"Of {len(rows)} cells, {arm} was better than {BASE} in {counts.get('yes', 0)}, worse in "
            f"{counts.get('no', 0)} and undecided in {counts.get('undecided', 0)}; the mean difference in "
            f"ICC runs from {low} to {high}."
        )
    return " ".join(parts)


@styled
def paying_figure(table: pd.DataFrame, arm: str) -> Figure:
    """ICC of an arm minus that of base: a panel a length, training scans across, rater noise upwards."""
    rows = table[table["arm"] == arm]
    lengths = sorted(rows["presentations"].unique())
    figure = Figure(figsize=(2.9 * len(lengths) + 0.9, 3.3), layout="constrained")
    axes = figure.subplots(1, len(lengths), sharey=True, squeeze=False)[0]
    most = max(0.05, float(rows["difference"].abs().max()))
    for axis, length in zip(axes, lengths, strict=True):
        grid = rows[rows["presentations"] == length].set_index(["rater_noise", "scans"])
        image = _panel(axis, grid, most)
        axis.set(title=f"{length:,} presentations", xlabel="training scans")
    axes[0].set_ylabel("rater noise (SDs of the label)")
    figure.colorbar(image, ax=list(axes), label=f"ICC of {arm} − ICC of base", shrink=0.85)
    return figure


def write_map(root: Path) -> list[Path]:
    """Write findings and report.html of a map; returns the files written.

    Raises:
        BadInput: As `read_cells`.
    """
    cells, place = read_cells(root), StudyDirectory(root)
    table = paying_table(cells)
    note = (
        f"Mean difference in test ICC over {int(table['cohorts'].max())} phantom cohorts a cell, each "
        "trained once an arm with the same seed, at fixed settings and lengths: nothing was searched or "
        "chosen. Beneath it the 95% interval over cohorts (Student's t). Training labels hold the raters' "
        "noise, test labels do not. One cell in twenty would be decided by chance alone. Phantoms are not "
        "brains: the map shows where to look, not what holds on your scans."
    )
    drawings = [
        Drawing(
            name=f"map_{arm}",
            title=f"When does {arm} pay?",
            caption=note,
            figure=paying_figure(table, arm),
        )
        for arm in table["arm"].unique()
    ]
    written = write_all(place.findings, {"map": table, "trainings": cells}, drawings)
    body = "".join(
        page.picture(drawing.image("svg"), f"{drawing.title} {drawing.caption}", drawing.caption)
        for drawing in drawings
    )
    sections = [("Map", body), ("Every cell", page.table(readable_map(table), "A row a cell"))]
    lead = page.paragraph(paying_sentence(table), "verdict")
    write_text(place.report, page.page(f"setsum map: {root.resolve().name}", lead, sections))
    return [*written, place.report]


def readable_map(table: pd.DataFrame) -> pd.DataFrame:
    """The table as texts."""
    return pd.DataFrame(
        [
            {
                "training scans": str(row["scans"]),
                "rater noise": f"{row['rater_noise']:g}",
                "presentations": f"{row['presentations']:,}",
                "arm": str(row["arm"]),
                "ICC": fixed(row["icc"]),
                "ICC of base": fixed(row["icc_base"]),
                "difference [95%]": f"{signed(row['difference'], 3)} {interval(row['low'], row['high'], 3)}",
                "cohorts": str(row["cohorts"]),
                "pays": str(row["pays"]),
            }
            for _, row in table.iterrows()
        ]
    )


def _difference(group: pd.DataFrame, arm: str) -> dict[str, object]:
    gaps = (group[arm] - group[BASE]).to_numpy(float)
    count, mean = len(gaps), float(gaps.mean())
    half = float("nan")
    if count > 1:
        half = float(stats.t.ppf(0.975, count - 1) * gaps.std(ddof=1) / np.sqrt(count))
    pays = "yes" if mean - half > 0 else "no" if mean + half < 0 else "undecided"
    return {
        "cohorts": count,
        "icc": float(group[arm].mean()),
        "icc_base": float(group[BASE].mean()),
        "difference": mean,
        "low": mean - half,
        "high": mean + half,
        "pays": pays,
    }


def _panel(axis: Axes, grid: pd.DataFrame, most: float) -> AxesImage:
    noises, scans = (sorted(grid.index.get_level_values(level).unique()) for level in (0, 1))
    values = [[grid["difference"].get((noise, count), np.nan) for count in scans] for noise in noises]
    image = axis.imshow(values, cmap="PuOr_r", vmin=-most, vmax=most, origin="lower", aspect="auto")
    for y, noise in enumerate(noises):
        for x, count in enumerate(scans):
            if (noise, count) in grid.index:
                row = grid.loc[(noise, count)]
                text = f"{signed(row['difference'])}\n{interval(row['low'], row['high'])}"
                weight = "bold" if row["pays"] != "undecided" else "normal"
                pale = abs(row["difference"]) < 0.6 * most
                axis.text(
                    x, y, text, ha="center", va="center", fontsize=7, weight=weight,
                    color=INK if pale else "white",
                )  # fmt: skip
    axis.set_xticks(range(len(scans)), [str(count) for count in scans])
    axis.set_yticks(range(len(noises)), [f"{noise:g}" for noise in noises])
    axis.grid(visible=False)
    return image


if __name__ == "__main__":
    run_script("analysis.paying", write_map)
