"""The directory of a series or a map as Python sees it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from analysis.members import CELLS, member_folders
from study.api.orderly import orderly
from study.api.page import summary_html
from study.api.study import Study


class Series(Mapping[str, Study]):
    """The studies of a series by name; a map has none, its `summary` is all.

    Args:
        root: The directory of the series.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).resolve()

    def __getitem__(self, name: str) -> Study:
        """A study, which may have got nowhere yet."""
        return Study(self._folders()[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._folders())

    def __len__(self) -> int:
        return len(self._folders())

    @property
    def summary(self) -> pd.DataFrame:
        """The studies side by side, a row a study and arm; of a map, a row a cell and arm.

        Raises:
            BadInput: A study has no trials yet.
        """
        if self._is_map():
            from analysis.paying import paying_table, read_cells

            return paying_table(read_cells(self.root))
        from analysis.side_by_side import side_by_side

        return side_by_side(self._folders())

    def status(self) -> list[str]:
        """Lines that say how far its studies are."""
        from study.pipeline.status import describe_status

        return describe_status(self.root)

    def resume(self) -> "Series":
        """Run whatever is left.

        Raises:
            BadInput: It is not what began.
            KeyboardInterrupt: As for `run_study`.
        """
        from study.pipeline.whole import resume

        with orderly(self.root) as progress:
            resume(self.root, progress)
        return self

    def __repr__(self) -> str:
        return "\n".join(self.status())

    def _repr_html_(self) -> str:
        return summary_html(self.root.name, self.status(), None)

    def _is_map(self) -> bool:
        return (self.root / CELLS).is_dir()

    def _folders(self) -> dict[str, Path]:
        return {} if self._is_map() else member_folders(self.root)
