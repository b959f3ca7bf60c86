"""When does set-sum pay? A map of phantom cohorts read into a table, a figure and a page.

`python -m analysis.paying MAP_DIR` writes MAP_DIR/findings and MAP_DIR/report.html. The units of every
interval are cohorts: scans of one phantom are not independent evidence about a cell.
"""

from collections.abc import Hashable
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
from analysis.members import CELLS
from analysis.script import run_script
from analysis.style import INK, styled
from analysis.words import fixed, interval, signed
from study.agreement import Floats
from study.badinput import BadInput
from study.record import StudyDirectory, read_json, write_text

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

    `low` and `high` are the 95% interval of the mean difference in ICC by Student's t with cohorts - 1
    degrees of freedom, paired by cohort; `pays` is `yes` where it lies above zero, `no` below, `undecided`
    otherwise. The same for the MSE, as a share of the truth's variance, where below zero is better.
    Cohorts without a finite score of both arms are left out and not counted in `cohorts`.
    """
    base = cells[cells["arm"] == BASE].drop(columns="arm")
    if base.empty:
        raise BadInput(f"a map compares with the arm `{BASE}`, which is not there", where="arms")
    both = cells[cells["arm"] != BASE].merge(base, on=[*CELL, "cohort"], suffixes=("", "_base"))
    both = both.dropna(subset=["icc", "icc_base", "mse", "mse_base"])
    rows = [
        group[[*CELL, "arm"]].iloc[0].to_dict() | _differences(group)
        for _, group in both.groupby(["arm", *CELL])
    ]
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
            f"ICC runs from {low} to {high}. Its MSE was lower in {int((rows['mse_high'] < 0).sum())} and "
            f"higher in {int((rows['mse_low'] > 0).sum())}."
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
                "MSE (share)": fixed(row["mse"]),
                "MSE of base": fixed(row["mse_base"]),
                "MSE difference [95%]": f"{signed(row['mse_difference'])} "
                f"{interval(row['mse_low'], row['mse_high'])}",
                "cohorts": str(row["cohorts"]),
                "pays": str(row["pays"]),
            }
            for _, row in table.iterrows()
        ]
    )


def _differences(group: pd.DataFrame) -> dict[Hashable, object]:
    difference, low, high = _mean_interval((group["icc"] - group["icc_base"]).to_numpy(float))
    of_mse = _mean_interval((group["mse"] - group["mse_base"]).to_numpy(float))
    return {
        "cohorts": len(group),
        "icc": float(group["icc"].mean()),
        "icc_base": float(group["icc_base"].mean()),
        "difference": difference,
        "low": low,
        "high": high,
        "pays": "yes" if low > 0 else "no" if high < 0 else "undecided",
        "mse": float(group["mse"].mean()),
        "mse_base": float(group["mse_base"].mean()),
        **dict(zip(("mse_difference", "mse_low", "mse_high"), of_mse, strict=True)),
    }


def _mean_interval(values: Floats) -> tuple[float, float, float]:
    """Mean and 95% interval by Student's t; NaN limits for a single value."""
    mean, count = float(values.mean()), len(values)
    if count < 2:
        return mean, float("nan"), float("nan")
    half = float(stats.t.ppf(0.975, count - 1) * values.std(ddof=1) / np.sqrt(count))
    return mean, mean - half, mean + half


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
