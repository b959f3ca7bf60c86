"""Commands about the machine and the cluster that studies run on."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from study.commands.completing import study_folders
from study.commands.opened import existing, print_json
from study.commands.options import Address, Json


def doctor(
    directory: Annotated[
        Path | None,
        typer.Argument(
            help="A study to look at the machine for.", metavar="[DIR]", autocompletion=study_folders
        ),
    ] = None,
    storage: Annotated[
        str | None, typer.Option(help="Folder or URI a study would be written to; else DIR, or this folder.")
    ] = None,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Whether a study could run here, on what, and what it would choose. Exits with 1 where it could not."""
    from study.pipeline.doctor import examine, findings_table
    from study.pipeline.table import console_for_tables, print_table
    from study.settings import read_settings

    settings = read_settings(existing(directory) / "study.yaml" if directory else None)
    where = storage or str(directory or Path.cwd())
    findings = examine(settings, where, address or settings.resources.address)
    if as_json:
        print_json({"format": 1, "findings": [asdict(finding) for finding in findings]})
    else:
        print_table(findings_table(findings), console_for_tables())
    if broken := [finding for finding in findings if finding.broken]:
        for finding in broken:
            typer.echo(f"setsum: broken: {finding.topic}: {finding.why or finding.found}", err=True)
        raise typer.Exit(1)
