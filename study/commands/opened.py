"""Study directories as commands open them, and what they print at the end."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from study.pipeline.prepared import Prepared
    from study.pipeline.progress import Progress

from study.badinput import BadInput


def existing(directory: Path, series: bool = False) -> Path:
    if (directory / "series.yaml").is_file() and not series:
        names = ", ".join(sorted(path.parent.name for path in directory.glob("*/study.yaml")))
        fix = f"Name one of the folders in it: {names}"
        raise BadInput("a series of studies", where=str(directory), fix=fix.removesuffix(": "))
    if not (directory / "study.yaml").is_file() and not (directory / "series.yaml").is_file():
        raise BadInput("no study here (study.yaml is missing)", where=str(directory))
    return directory.resolve()


def one_stage(directory: Path, stage: "Callable[[Prepared, Progress], None]") -> None:
    from study.pipeline.progress import Progress
    from study.pipeline.stages import opened

    with opened(directory, progress := Progress()) as prepared:
        stage(prepared, progress)
    print_end(directory)


def print_end(directory: Path) -> None:
    from study.pipeline.ending import console_for_tables, print_ending
    from study.record import StudyDirectory

    print_ending(StudyDirectory(directory.resolve()), console_for_tables())
