"""One study directory as Python sees it: tables as pandas frames, figures as matplotlib figures."""

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from study.api.orderly import orderly, suitable_progress
from study.api.page import summary_html
from study.badinput import BadInput
from study.plainyaml import read_yaml
from study.record import StudyDirectory, read_frame
from study.regression.config import BASE
from study.settings import StudySettings, validate_settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from analysis.drawing import Drawing


class Study:
    """A study directory. Reading changes nothing; `resume`, `extend`, `test` and `export` work on it.

    Frames have the columns of the directory's files; those of stages that have not run raise a
    `BadInput` that says which to run.

    Args:
        root: The study directory.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).resolve()
        self._place = StudyDirectory(self.root)

    @property
    def settings(self) -> StudySettings:
        """The resolved study file."""
        content, where = read_yaml(self._place.settings), str(self._place.settings)
        if not isinstance(content, dict):
            raise BadInput("is damaged", where=where, fix="Restore it")
        return validate_settings(content, where)

    @property
    def trials(self) -> pd.DataFrame:
        """A row a trial: arm, status, scores, configuration."""
        return read_frame(self._place.trials)

    @property
    def curves(self) -> pd.DataFrame:
        """A row a report of a trial: presentations and scores."""
        return read_frame(self._place.curves)

    @property
    def oof(self) -> pd.DataFrame:
        """Out-of-fold predictions of search and confirm, a row a scan and report."""
        return read_frame(self._place.oof)

    @property
    def confirmed(self) -> pd.DataFrame:
        """A row an arm, configuration and fresh seed."""
        return read_frame(self._place.confirmed)

    @property
    def predictions(self) -> pd.DataFrame:
        """Test predictions, a row an arm, seed and scan."""
        return read_frame(self._place.predictions)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The findings' tables by name, those with rows: `summary`, `comparison`, `agreement`, ..."""
        found = _tables(self.root, self._stamp())
        return {name: table.copy() for name, table in found.items() if len(table)}

    @property
    def summary(self) -> pd.DataFrame:
        """The end table: what each arm came to, a row an arm, the reference rows beneath."""
        return self.tables["summary"]

    @property
    def comparison(self) -> pd.DataFrame:
        """Every arm against `base` on the test scans, with intervals; empty before `test`."""
        return self.tables.get("comparison", pd.DataFrame())

    @property
    def figures(self) -> list[str]:
        """Names of the findings' figures, for `figure`."""
        return list(_drawings(self.root, self._stamp()))

    def figure(self, name: str) -> "Figure":
        """A figure of the findings, one of `figures`.

        Raises:
            BadInput: There is none of that name.
        """
        drawn = _drawings(self.root, self._stamp())
        if name not in drawn:
            raise BadInput(
                f"there is no figure `{name}`", where=str(self.root), fix=f"Take {', '.join(drawn)}"
            )
        return drawn[name].figure

    def caption(self, name: str) -> str:
        """The words that belong to a figure: which scans and seeds, and how to read it."""
        self.figure(name)
        return _drawings(self.root, self._stamp())[name].caption

    def status(self) -> list[str]:
        """Lines that say how far the study is."""
        from study.pipeline.status import describe_status

        return describe_status(self.root)

    def resume(self) -> "Study":
        """Run whatever is left.

        Raises:
            BadInput: The study is not what began.
            KeyboardInterrupt: As for `run_study`.
        """
        from study.pipeline.stages import resume

        with orderly(self.root) as progress:
            resume(self.root, progress)
        return self

    def extend(self, trials: int) -> "Study":
        """Search so many trials more in every arm, and confirm; the test set stays closed.

        Stopped, it goes on with the commands `setsum sweep DIR` and `setsum confirm DIR`.

        Raises:
            BadInput: As for `resume`, or not a positive number.
            KeyboardInterrupt: As for `run_study`.
        """
        from study.pipeline.stages import extend, without_test

        with orderly(self.root, without_test(self.root)) as progress:
            extend(self.root, trials, progress)
        return self

    def test(self) -> "Study":
        """Predict the test scans with every arm's winner; written down in the test log each time.

        Raises:
            BadInput: As for `resume`, or nothing is confirmed.
        """
        from analysis.report import write_findings_and_report
        from study.pipeline.stages import opened
        from study.pipeline.test import test

        with orderly(self.root) as progress, opened(self.root, progress) as prepared:
            test(prepared, progress)
            write_findings_and_report(self.root)
        return self

    def export(
        self, formats: str | Sequence[str] = (), top: int | None = None, *, refit: bool = False
    ) -> dict[str, Path]:
        """Export every arm's best configuration and confirmed models; their folders by arm.

        Args:
            formats: `onnx`, `pt2`: graphs beside the weights.
            top: So many leading configurations of each arm too, and the Pareto set.
            refit: Train them on all development scans too, into `refit` in each folder.

        Raises:
            BadInput: As for `resume`, nothing is confirmed, or a format cannot be written.
            KeyboardInterrupt: As for `run_study`.
        """
        from study.pipeline.export import export
        from study.pipeline.refit import refit as refit_stage
        from study.pipeline.stages import opened

        again = "the same call" if refit else ""
        formats = [formats] if isinstance(formats, str) else formats
        with (
            orderly(self.root, again) as progress,
            opened(self.root, progress, again=again) as prepared,
        ):
            export(prepared, formats, top)
            if refit:
                refit_stage(prepared, progress, formats, top)
            return {arm: self._place.export / arm for arm in prepared.spaces}

    def predict(
        self,
        scans: str | Path | Sequence[str | Path],
        arm: str,
        *,
        masks: str | Path | Sequence[str | Path] = (),
        device: str = "cpu",
    ) -> pd.DataFrame:
        """Predict new scans, one or several, with an arm's export: id, prediction, sd over its networks.

        Raises:
            BadInput: The arm is not exported, or a scan cannot be read.
        """
        folder = self._place.export / arm
        if not (folder / "config.yaml").is_file():
            raise BadInput(
                f"the arm `{arm}` is not exported", where=str(self.root), fix="Export it: study.export()"
            )
        from study.pipeline.predict import predict_scans

        paths, regions = _paths(scans), _paths(masks)
        # It has been run for this study already, and is no stranger's.
        named = self.settings.training.get("regressor", BASE)
        regressor = None if named == BASE else str(named)
        return predict_scans(folder, paths, regions, suitable_progress(), device=device, regressor=regressor)

    def __repr__(self) -> str:
        return "\n".join(self._lines())

    def _repr_html_(self) -> str:
        if not self._place.trials.is_file():
            return summary_html(self.root.name, self._lines(), None)
        from analysis.summary import readable

        return summary_html(self.root.name, self._lines(), readable(self.summary))

    def _lines(self) -> list[str]:
        """`status`, for a page that goes to others: without the folders that the study lies in."""
        return [line.replace(str(self.root), self.root.name) for line in self.status()]

    def _stamp(self) -> tuple[int, ...]:
        """Changes when a table that the findings come from is written anew."""
        place = self._place
        read = (
            place.trials,
            place.curves,
            place.oof,
            place.confirmed,
            place.predictions,
            place.worst,
            place.test_log,
        )
        return tuple(path.stat().st_mtime_ns if path.is_file() else 0 for path in read)


def _paths(given: str | Path | Sequence[str | Path]) -> list[Path]:
    """A list of one for a single path: a text is a sequence too, of letters."""
    return [Path(given)] if isinstance(given, str | Path) else [Path(path) for path in given]


@lru_cache(maxsize=4)
def _tables(root: Path, stamp: tuple[int, ...]) -> Mapping[str, pd.DataFrame]:
    from analysis.findings import tables
    from analysis.records import read_records

    return tables(read_records(root))


@lru_cache(maxsize=4)
def _drawings(root: Path, stamp: tuple[int, ...]) -> "dict[str, Drawing]":
    from analysis.findings import drawings
    from analysis.records import read_records
    from analysis.style import small

    found = {drawing.name: drawing for drawing in drawings(read_records(root), dict(_tables(root, stamp)))}
    for drawing in found.values():
        # Shown without pyplot, which may not be set up, in the size and style of the report's.
        drawing.figure._repr_png_ = partial(small, drawing.figure)  # type: ignore[attr-defined]
    return found
