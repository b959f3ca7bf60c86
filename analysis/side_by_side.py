"""Several study directories beside each other: a row a study and arm, and their test ICCs in one figure.

`python -m analysis.side_by_side OUT DIR ...` and `setsum compare DIR DIR ... --out OUT` write them to OUT.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.coverage import coverage_note
from analysis.drawing import Drawing
from analysis.files import write_all
from analysis.members import member_folders
from analysis.records import Records, development_scans, read_records
from analysis.script import run_script
from analysis.style import FAINT, INK, MARKERS, REFERENCES, colour, legend_of, styled, verdict_of
from analysis.summary import still_improving, summarise, verdict_text
from analysis.tested import agreement_table
from analysis.words import NOTHING, fixed, interval, number
from study.badinput import BadInput
from study.record import StudyDirectory

CAPTION = (
    "Test ICC of each study's arms, predictions averaged over seeds, with the 95% interval over test scans; "
    "the shape is the verdict of the training. Each study has test scans of its own unless their seeds and "
    "cohorts agree, so that rows of different studies are not paired."
)


def study_folders(given: Sequence[Path]) -> dict[str, Path]:
    """Study directories by a name that tells them apart; a series stands for its studies.

    Raises:
        BadInput: A folder holds neither a study nor a series, or stands twice.
    """
    found: dict[str, Path] = {}
    for folder in given:
        place = StudyDirectory(folder.resolve())
        if place.series.is_file():
            inner = {f"{place.root.name}/{name}": path for name, path in member_folders(place.root).items()}
        elif place.settings.is_file():
            inner = {place.root.name: place.root}
        else:
            raise BadInput("no study here (study.yaml is missing)", where=str(folder))
        for name, path in inner.items():
            if path in found.values():
                raise BadInput("stands twice", where=str(path), fix="Name each study once")
            found[str(path) if name in found else name] = path
    return found


def side_by_side(folders: Mapping[str, Path]) -> pd.DataFrame:
    """A row a study and arm (references included): what it came to on the study's test scans.

    Columns: study, arm, protocol, loss, development (scans), and those of `summary_table`;
    `icc_seed_mean` and `icc_seed_sd` are over the seeds one by one, as in the paper's Table 1.

    Raises:
        BadInput: A study has no trials yet.
    """
    return pd.concat([_study(name, read_records(path)) for name, path in folders.items()], ignore_index=True)


def _study(name: str, records: Records) -> pd.DataFrame:
    agreement = agreement_table(records)
    table = summarise(records, agreement, still_improving(records))
    own = agreement[(agreement["cohort"] == "test") & (agreement["seed"] != "mean")]
    by_seed = own.groupby("arm")["icc"].agg(["mean", "std"])
    by_seed.columns = pd.Index(["icc_seed_mean", "icc_seed_sd"])
    table = table.merge(by_seed, left_on="arm", right_index=True, how="left")
    validation = records.settings.get("validation") or {}
    training = records.settings.get("training") or {}
    front = {
        "study": name,
        "protocol": validation.get("protocol", "kfold"),
        "loss": training.get("loss", "mse"),
        "development": development_scans(records),
    }
    for position, (column, value) in enumerate(front.items()):
        table.insert(position, column, value)
    return table


def readable_side_by_side(table: pd.DataFrame) -> pd.DataFrame:
    """The table as texts with plain headings; missing values are dashes."""
    rows = [
        {
            "study": str(row["study"]),
            "arm": str(row["arm"]),
            "test ICC [95%]": f"{fixed(row['test_icc'])} {interval(row['icc_low'], row['icc_high'])}".strip(),
            "by seed (mean ± SD)": NOTHING
            if pd.isna(row["icc_seed_sd"])
            else f"{fixed(row['icc_seed_mean'])} ± {fixed(row['icc_seed_sd'])}",
            "test MSE": number(row["test_mse"]),
            "verdict": verdict_text(row),
            "seeds": NOTHING if pd.isna(row["seeds"]) else str(int(row["seeds"])),
            "development": str(row["development"]),
            "test scans": NOTHING if pd.isna(row["test_scans"]) else str(int(row["test_scans"])),
            "configuration": NOTHING if pd.isna(row["configuration"]) else str(row["configuration"]),
        }
        for _, row in table.iterrows()
    ]
    return pd.DataFrame(rows)


@styled
def side_by_side_figure(table: pd.DataFrame) -> Figure:
    """Test ICC with its interval, a line a study and arm, grouped by study; rows of `side_by_side`."""
    rows = table[~table["arm"].isin(REFERENCES)].reset_index(drop=True)
    figure = Figure(figsize=(6.6, 1.1 + 0.24 * len(rows)), layout="constrained")
    axis = figure.subplots()
    for place, row in rows.iterrows():
        y, tint = -float(str(place)), colour(row["arm"])
        axis.plot([row["icc_low"], row["icc_high"]], [y, y], color=tint, lw=1.6)
        marker = MARKERS[verdict_of(row["verdict"])]
        axis.plot(row["test_icc"], y, marker=marker, color=tint, ms=6, mec="white", mew=0.6)
    begins = rows.index[rows["study"] != rows["study"].shift()]
    for begin in begins[1:]:
        axis.axhline(0.5 - begin, color=FAINT, lw=0.6)
    names = [f"{row['study']}  {row['arm']}" for _, row in rows.iterrows()]
    axis.set_yticks(-np.arange(len(rows)), names)
    axis.set_ylim(0.6 - len(rows), 0.6)
    axis.set_xlabel("test ICC(A,1), 95% interval")
    axis.grid(visible=False, axis="y")
    untested = rows["test_icc"].isna().any()
    extra = [Line2D([], [], ls="", marker="", color=INK, label="empty: not tested")] if untested else []
    legend_of(figure, rows["arm"], (verdict_of(verdict) for verdict in rows["verdict"]), extra)
    return figure


def drawn_side_by_side(table: pd.DataFrame) -> Drawing:
    """The figure with its words."""
    return Drawing(
        name="side_by_side",
        title="Side by side",
        caption=f"{CAPTION} {coverage_note(table['test_groups'], 'icc')}".strip(),
        figure=side_by_side_figure(table),
    )


def write_side_by_side(folders: Mapping[str, Path], out: Path) -> list[Path]:
    """Write table and figure into a folder; returns the files written.

    Raises:
        BadInput: A study has no trials yet.
    """
    table = side_by_side(folders)
    return write_all(out, {"side_by_side": table}, [drawn_side_by_side(table)])


if __name__ == "__main__":
    others = [Path(argument) for argument in sys.argv[2:]]
    del sys.argv[2:]
    run_script("analysis.side_by_side", lambda out: write_side_by_side(study_folders(others), out))
