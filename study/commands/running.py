"""Commands that run a study as a whole."""

from pathlib import Path
from typing import Annotated

import typer

from study.commands.opened import print_end
from study.commands.options import Accept, Address, Cpus, Gpus, Seed, Storage, StudyDir, Tracking


def init(name: Annotated[str, typer.Argument(help="quick, wmh, pvs, table1, figure3, …")] = "quick") -> None:
    """Print a commented study file to edit."""
    from study.settings import builtin_text

    typer.echo(builtin_text(name), nl=False)


def run(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[STUDY.yaml] [KEY=VALUE]...", help="A study file and single fields."),
    ] = None,
    cohort: Annotated[Path | None, typer.Option(help="A folder or manifest of scans.")] = None,
    out: Annotated[Path, typer.Option(help="The study directory.")] = Path("setsum-study"),
    seed: Seed = None,
    cpus: Cpus = None,
    gpus: Gpus = None,
    address: Address = None,
    storage: Storage = None,
    tracking: Tracking = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the resolved study and stop.")] = False,
) -> None:
    """Everything: sweep, confirm, test, findings, report, export. Without a file, the quick study."""
    import yaml

    from study.arguments import fields_of_options, file_and_fields
    from study.settings import read_settings

    source, overrides = file_and_fields(arguments or [])
    settings = read_settings(
        source, overrides + fields_of_options(cohort, seed, cpus, gpus, address, storage, tracking)
    )
    if dry_run:
        typer.echo(yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False), nl=False)
        return
    from study.pipeline.progress import Progress
    from study.pipeline.whole import run as run_whole

    run_whole(settings, out, Progress())
    print_end(out)


def resume(directory: StudyDir, accept_change: Accept = None) -> None:
    """Run whatever is left of a study."""
    from study.pipeline.progress import Progress
    from study.pipeline.whole import resume as resume_whole

    resume_whole(directory, Progress(), accept_change or ())
    print_end(directory)


def extend(
    directory: StudyDir,
    trials: Annotated[int, typer.Option(help="Trials more in every arm.")],
    accept_change: Accept = None,
) -> None:
    """Search further and confirm again; the test set stays closed until `setsum test`."""
    from study.pipeline.progress import Progress
    from study.pipeline.stages import extend as extend_stages

    extend_stages(directory, trials, Progress(), accept_change or ())
    print_end(directory)
    typer.echo(
        f"The test set was not opened. To test the winners of the longer search: setsum test {directory}"
    )
