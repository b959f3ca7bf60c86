"""Study directories as commands open them, and what they print at the end."""

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from study.pipeline.prepared import Prepared
    from study.pipeline.progress import Progress
    from study.settings import StudySettings

from study.badinput import BadInput


def existing(directory: Path, series: bool = False) -> Path:
    if not series:
        from study.pipeline.record_of_series import refuse_series

        refuse_series(directory)
    if not (directory / "study.yaml").is_file() and not (directory / "series.yaml").is_file():
        raise BadInput("no study here (study.yaml is missing)", where=str(directory))
    return directory.resolve()


def told(quiet: bool) -> "Progress":
    """Whom work tells its progress; with `quiet`, libraries do not warn either."""
    from study.pipeline.progress import Progress

    if quiet:
        warnings.simplefilter("ignore")
    return Progress(quiet=quiet)


def one_stage(
    directory: Path, stage: "Callable[[Prepared, Progress], None]", *, quiet: bool, as_json: bool
) -> None:
    from study.pipeline.stages import opened

    with opened(directory, progress := told(quiet)) as prepared:
        stage(prepared, progress)
    print_end(directory, as_json=as_json)


def print_end(directory: Path, *, as_json: bool) -> None:
    from study.pipeline.document import ending_document
    from study.pipeline.ending import print_ending
    from study.pipeline.table import console_for_tables
    from study.record import StudyDirectory

    place = StudyDirectory(directory.resolve())
    if as_json:
        print_json(ending_document(place))
    else:
        print_ending(place, console_for_tables())


def print_plan(settings: "StudySettings", out: Path, *, as_json: bool) -> None:
    """The plan as comments above the resolved study, so that the whole is a study file."""
    import yaml

    from study.pipeline.planned import plan_document, plan_lines

    document = plan_document(settings, out)
    if as_json:
        print_json(document)
        return
    for line in plan_lines(document):
        typer.echo(f"# {line}".rstrip())
    typer.echo(yaml.safe_dump(document["settings"], sort_keys=False), nl=False)


def print_paths(paths: "Sequence[Path]", *, as_json: bool) -> None:
    from study.pipeline.document import paths_document

    if as_json:
        print_json(paths_document(paths))
    else:
        for path in paths:
            typer.echo(path)


def print_json(content: object) -> None:
    typer.echo(json.dumps(content, indent=2, allow_nan=False))
