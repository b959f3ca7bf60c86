"""Commands that read studies and change nothing in them."""

from pathlib import Path
from typing import Annotated

import typer

from study.commands.completing import study_folders
from study.commands.opened import existing, print_json
from study.commands.options import Json, StudyDir


def status(directory: StudyDir, as_json: Json = False) -> None:
    """How far a study is."""
    from study.pipeline.status import describe_status, study_status

    root = existing(directory, series=True)
    if as_json:
        print_json(study_status(root))
        return
    for line in describe_status(root):
        typer.echo(line)


def dashboard(
    directory: StudyDir,
    port: Annotated[int, typer.Option(min=0, max=65535, help="To listen on; 0 takes a free one.")] = 8080,
) -> None:
    """Show a study's searches in optuna-dashboard, on this machine only, until Ctrl-C."""
    from study.pipeline.dashboard import serve_dashboard

    serve_dashboard(existing(directory), port, tell=typer.echo)


def compare(
    directories: Annotated[
        list[Path], typer.Argument(help="Studies or series.", metavar="DIR...", autocompletion=study_folders)
    ],
    out: Annotated[Path, typer.Option(help="Where table and figure go.")] = Path("setsum-compared"),
) -> None:
    """Several studies side by side: one table and one figure."""
    from analysis.side_by_side import study_folders, write_side_by_side

    for path in write_side_by_side(study_folders(directories), out):
        typer.echo(path)
