"""Commands about cohorts: make a phantom, see what would be read."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from study.commands.opened import told
from study.commands.options import Quiet

if TYPE_CHECKING:
    from study.cohort.phantom import Kind


def phantom(
    out: Annotated[Path, typer.Argument(help="A new folder.")],
    kind: Annotated[str, typer.Option(help="wmh or pvs.")] = "wmh",
    scans: Annotated[int, typer.Option(min=1, help="Number of scans.")] = 90,
    shape: Annotated[int, typer.Option(min=8, help="Voxels along each axis.")] = 16,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    rater_noise: Annotated[
        float, typer.Option("--rater-noise", min=0, help="Disagreement of raters, in SDs of the label.")
    ] = 0.0,
    quiet: Quiet = False,
) -> None:
    """Write a phantom cohort as NIfTI files."""
    from study.cohort.phantom import write_phantom

    with told(quiet).stage("phantom", scans) as update:
        write_phantom(
            out,
            kind=cast("Kind", kind),
            scans=scans,
            shape=shape,
            seed=seed,
            rater_noise=rater_noise,
            progress=lambda done, total: update(done),
        )
    typer.echo(out)


def inspect(
    cohort: Annotated[Path, typer.Argument(help="A folder or manifest of scans.")],
    layout: Annotated[str, typer.Option(help="auto, wmh, manifest or bids.")] = "auto",
    label: Annotated[str, typer.Option(help="From lesion masks: voxels, mm3 or components.")] = "auto",
    png: Annotated[Path, typer.Option(help="Where the slices go.")] = Path("cohort.png"),
) -> None:
    """What would be read: table, label histogram, sites, and slices as PNG."""
    from study.cohort.inspect import slices_figure, summary
    from study.cohort.scans import read_cohort

    scans = read_cohort(cohort, layout, label=label)
    slices_figure(scans, png)
    typer.echo(f"{summary(scans)}\nslices: {png}")
