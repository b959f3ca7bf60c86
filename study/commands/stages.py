"""Commands that run one stage of a study."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from study.commands.opened import existing, one_stage, print_paths, told
from study.commands.options import Json, Pseudonymise, Quiet, StudyDir

if TYPE_CHECKING:
    from study.pipeline.prepared import Prepared
    from study.pipeline.progress import Progress


def sweep(directory: StudyDir, quiet: Quiet = False, as_json: Json = False) -> None:
    """Search every arm's space."""
    from study.pipeline.search import search

    one_stage(directory, search, quiet=quiet, as_json=as_json)


def confirm(directory: StudyDir, quiet: Quiet = False, as_json: Json = False) -> None:
    """Re-train the leading configurations with fresh seeds and redrawn folds."""
    from study.pipeline.confirm import confirm as confirm_stage

    one_stage(directory, confirm_stage, quiet=quiet, as_json=as_json)


def test(
    directory: StudyDir,
    cohort: Annotated[Path | None, typer.Option(help="An external cohort to test on instead.")] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Open the test scans for each arm's winner; every opening is logged."""
    from study.pipeline.external import test_external
    from study.pipeline.test import test as own

    def external(prepared: "Prepared", progress: "Progress") -> None:
        test_external(prepared, Path(cohort or ""), progress)

    one_stage(directory, external if cohort else own, quiet=quiet, as_json=as_json)


def findings(directory: StudyDir, quiet: Quiet = False, as_json: Json = False) -> None:
    """Write tables and figures of what there is so far."""
    from analysis.findings import write_findings

    told(quiet)
    print_paths(write_findings(existing(directory)), as_json=as_json)


def report(
    directory: StudyDir,
    pseudonymise: Pseudonymise = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write the self-contained report.html."""
    from analysis.report import write_report

    told(quiet)
    print_paths([write_report(existing(directory), pseudonymise=pseudonymise)], as_json=as_json)


def export(
    directory: StudyDir,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", help="onnx or pt2: a graph beside the weights. Repeat for both."),
    ] = None,
    top: Annotated[
        int | None, typer.Option(help="So many leading configurations of each arm, and the Pareto set.")
    ] = None,
    refit: Annotated[
        bool,
        typer.Option("--refit", help="Train them on all development scans too: a folder `refit` in each."),
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Export each arm's best configuration and confirmed models."""
    from study.pipeline.export import export as export_stage
    from study.pipeline.refit import refit as refit_stage
    from study.pipeline.stages import opened

    with opened(directory, progress := told(quiet), again="the same command" if refit else "") as prepared:
        written = export_stage(prepared, formats or (), top)
        if refit:
            written += refit_stage(prepared, progress, formats or (), top)
        print_paths(written, as_json=as_json)
