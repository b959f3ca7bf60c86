"""A study directory read into tables; stages that have not run yet leave empty ones."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from study.record import StudyDirectory, read_distinct, read_frame, read_json, read_lines

REFERENCE = -1
"""`trial` of a reference row: a rule fitted on development scans, not a searched arm."""

COLUMNS = {
    "oof": ["stage", "arm", "trial", "seed", "repeat", "scan", "presentations", "prediction", "label"],
    "curves": ["arm", "trial", "report", "presentations", "mse", "mae", "icc", "smoothed"],
    "confirmed": ["arm", "trial", "seed", "length", "score", "mse", "mae", "icc", "verdict"],
    "worst": ["cohort", "arm", "scan", "rank", "label", "prediction", "plane", "place", "image", "map"],
    "predictions": ["cohort", "arm", "trial", "seed", "scan", "site", "label", "truth", "prediction"],
}


@dataclass(frozen=True, kw_only=True)
class Records:
    """What a study wrote, a table a file; the columns are those of the study directory's files."""

    root: Path
    trials: pd.DataFrame
    curves: pd.DataFrame
    oof: pd.DataFrame
    """Of confirm only: the search's are as many as trials times reports times scans."""
    development: pd.DataFrame
    """`scan` and `label` of the development scans."""
    confirmed: pd.DataFrame
    predictions: pd.DataFrame
    worst: pd.DataFrame
    """Slices of the test scans that each arm misjudged most, and maps of where it looked."""
    openings: list[dict[str, Any]]
    """Lines of the test log: one each time test scans or an external cohort were opened."""
    settings: dict[str, Any]
    provenance: dict[str, Any]

    @property
    def seed(self) -> int:
        """The study's seed, from which every resampling here derives."""
        return int(self.settings.get("seed", 0))

    @property
    def unit(self) -> str:
        """Unit of the labels, such as mm3; empty when unknown."""
        return str(self.provenance.get("unit") or "")


def read_records(root: Path) -> Records:
    """All tables of a study.

    Raises:
        BadInput: There is no trials.parquet: nothing has been searched.
    """
    place = StudyDirectory(Path(root))
    paths = {"curves": place.curves, "confirmed": place.confirmed, "predictions": place.predictions}
    paths["worst"] = place.worst
    later = {name: _frame_or_empty(path, COLUMNS[name]) for name, path in paths.items()}
    oof, searched = place.oof, place.oof.is_file()
    labels = read_distinct(oof, ["scan", "label"]) if searched else pd.DataFrame(columns=["scan", "label"])
    return Records(
        root=place.root,
        trials=read_frame(place.trials),
        oof=read_frame(oof, stage="confirm") if searched else pd.DataFrame(columns=COLUMNS["oof"]),
        development=labels.drop_duplicates("scan"),
        openings=read_lines(place.test_log),
        settings=yaml.safe_load(place.settings.read_text()) or {} if place.settings.is_file() else {},
        provenance=read_json(place.provenance) if place.provenance.is_file() else {},
        **later,
    )


def development_scans(records: Records) -> int:
    """How many scans the study develops on, all of them: not each has an out-of-fold prediction."""
    split = StudyDirectory(records.root).split
    return len(read_json(split)["development"]) if split.is_file() else len(records.development)


def _frame_or_empty(path: Path, columns: list[str]) -> pd.DataFrame:
    return read_frame(path) if path.is_file() else pd.DataFrame(columns=columns)
