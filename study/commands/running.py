"""Commands that run a study as a whole."""

from pathlib import Path
from typing import Annotated

import typer

from study.commands.completing import builtin_studies, study_fields
from study.commands.opened import print_end, print_plan, told
from study.commands.options import Accept, Address, Cpus, Gpus, Json, Quiet, Seed, Storage, StudyDir, Tracking


def init(
    name: Annotated[
        str, typer.Argument(help="quick, wmh, pvs, table1, figure3, …", autocompletion=builtin_studies)
    ] = "quick",
) -> None:
    """Print a commented study file to edit."""
    from study.settings import builtin_text

    typer.echo(builtin_text(name), nl=False)


def run(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[STUDY.yaml] [KEY=VALUE]...",
            help="A study file and single fields.",
            autocompletion=study_fields,
        ),
    ] = None,
    cohort: Annotated[Path | None, typer.Option(help="A folder or manifest of scans.")] = None,
    out: Annotated[Path, typer.Option(help="The study directory.")] = Path("setsum-study"),
    seed: Seed = None,
    cpus: Cpus = None,
    gpus: Gpus = None,
    address: Address = None,
    storage: Storage = None,
    tracking: Tracking = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and the resolved study, and stop.")
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Everything: sweep, confirm, test, findings, report, export. Without a file, the quick study."""
    from study.arguments import fields_of_options, file_and_fields
    from study.settings import read_settings

    source, overrides = file_and_fields(arguments or [])
    settings = read_settings(
        source, overrides + fields_of_options(cohort, seed, cpus, gpus, address, tracking, storage)
    )
    if dry_run:
        print_plan(settings, out, as_json=as_json)
        return
    from study.pipeline.whole import run as run_whole

    run_whole(settings, out, told(quiet))
    print_end(out, as_json=as_json)


def resume(
    directory: StudyDir, accept_change: Accept = None, quiet: Quiet = False, as_json: Json = False
) -> None:
    """Run whatever is left of a study."""
    from study.pipeline.whole import resume as resume_whole

    resume_whole(directory, told(quiet), accept_change or ())
    print_end(directory, as_json=as_json)


def extend(
    directory: StudyDir,
    trials: Annotated[int, typer.Option(help="Trials more in every arm.")],
    accept_change: Accept = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Search further and confirm again; the test set stays closed until `setsum test`."""
    from study.pipeline.stages import extend as extend_stages

    extend_stages(directory, trials, progress := told(quiet), accept_change or ())
    print_end(directory, as_json=as_json)
    line = f"The test set was not opened. To test the winners of the longer search: setsum test {directory}"
    if as_json:
        progress.note(line)
    elif not quiet:
        typer.echo(line)
