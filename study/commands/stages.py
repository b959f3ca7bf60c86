"""Commands that run one stage of a study."""

from pathlib import Path
from typing import Annotated

import typer

from study.commands.opened import existing, one_stage
from study.commands.options import Pseudonymise, StudyDir


def sweep(directory: StudyDir) -> None:
    """Search every arm's space."""
    from study.pipeline.search import search

    one_stage(directory, search)


def confirm(directory: StudyDir) -> None:
    """Re-train the leading configurations with fresh seeds and redrawn folds."""
    from study.pipeline.confirm import confirm as confirm_stage

    one_stage(directory, confirm_stage)


def test(
    directory: StudyDir,
    cohort: Annotated[Path | None, typer.Option(help="An external cohort to test on instead.")] = None,
) -> None:
    """Open the test scans for each arm's winner; every opening is logged."""
    from study.pipeline import test as stage

    if cohort is None:
        one_stage(directory, stage.test)
    else:
        one_stage(directory, lambda prepared, progress: stage.test_external(prepared, cohort, progress))


def findings(directory: StudyDir) -> None:
    """Write tables and figures of what there is so far."""
    from analysis.findings import write_findings

    for path in write_findings(existing(directory)):
        typer.echo(path)


def report(directory: StudyDir, pseudonymise: Pseudonymise = False) -> None:
    """Write the self-contained report.html."""
    from analysis.report import write_report

    typer.echo(write_report(existing(directory), pseudonymise=pseudonymise))


def export(
    directory: StudyDir,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", help="onnx or pt2: a graph beside the weights. Repeat for both."),
    ] = None,
    top: Annotated[
        int | None, typer.Option(help="So many leading configurations of each arm, and the Pareto set.")
    ] = None,
) -> None:
    """Export each arm's best configuration and confirmed models."""
    from study.pipeline.export import export as export_stage
    from study.pipeline.progress import Progress
    from study.pipeline.stages import opened

    with opened(directory, Progress()) as prepared:
        for path in export_stage(prepared, formats or (), top):
            typer.echo(path)
