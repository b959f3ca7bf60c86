"""The `setsum` command: reads arguments, calls one stage, prints what it found.

Heavy packages load inside the commands, so that `setsum --help` answers at once.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from study.cohort.phantom import Kind
    from study.pipeline.prepared import Prepared
    from study.pipeline.progress import Progress

from study.badinput import BadInput
from study.command import run_command

app = typer.Typer(
    help="How strongly should a regressor be regularised by learning from sets of scans?",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

StudyDir = Annotated[Path, typer.Argument(help="A study directory.", metavar="DIR")]
Seed = Annotated[int | None, typer.Option(min=0, help="Everything random derives from it.")]
Cpus = Annotated[float | None, typer.Option("--cpus-per-trial", help="CPU cores of one trial.")]
Gpus = Annotated[str | None, typer.Option("--gpus-per-trial", help="GPUs of one trial, a share, or auto.")]
Pseudonymise = Annotated[
    bool, typer.Option("--pseudonymise", help="Numbers for scan ids; their key is DIR/pseudonyms.csv.")
]
Accept = Annotated[list[str] | None, typer.Option(help="Go on though this has changed: code.")]
Address = Annotated[str | None, typer.Option(help="Address of a Ray cluster; else one is started here.")]


@app.command()
def init(name: Annotated[str, typer.Argument(help="quick, wmh, pvs, table1, figure3, …")] = "quick") -> None:
    """Print a commented study file to edit."""
    from study.settings import builtin_text

    typer.echo(builtin_text(name), nl=False)


@app.command()
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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the resolved study and stop.")] = False,
) -> None:
    """Everything: sweep, confirm, test, findings, report, export. Without a file, the quick study."""
    import yaml

    from study.arguments import fields_of_options, file_and_fields
    from study.settings import read_settings

    source, overrides = file_and_fields(arguments or [])
    settings = read_settings(source, overrides + fields_of_options(cohort, seed, cpus, gpus, address))
    if dry_run:
        typer.echo(yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False), nl=False)
        return
    from study.pipeline.progress import Progress
    from study.pipeline.whole import run as run_whole

    run_whole(settings, out, Progress())
    _print_end(out)


@app.command()
def sweep(directory: StudyDir) -> None:
    """Search every arm's space."""
    from study.pipeline.search import search

    _one_stage(directory, search)


@app.command()
def confirm(directory: StudyDir) -> None:
    """Re-train the leading configurations with fresh seeds and redrawn folds."""
    from study.pipeline.confirm import confirm as confirm_stage

    _one_stage(directory, confirm_stage)


@app.command()
def test(
    directory: StudyDir,
    cohort: Annotated[Path | None, typer.Option(help="An external cohort to test on instead.")] = None,
) -> None:
    """Open the test scans for each arm's winner; every opening is logged."""
    from study.pipeline import test as stage

    if cohort is None:
        _one_stage(directory, stage.test)
    else:
        _one_stage(directory, lambda prepared, progress: stage.test_external(prepared, cohort, progress))


@app.command()
def findings(directory: StudyDir) -> None:
    """Write tables and figures of what there is so far."""
    from analysis.findings import write_findings

    for path in write_findings(_existing(directory)):
        typer.echo(path)


@app.command()
def report(directory: StudyDir, pseudonymise: Pseudonymise = False) -> None:
    """Write the self-contained report.html."""
    from analysis.report import write_report

    typer.echo(write_report(_existing(directory), pseudonymise=pseudonymise))


@app.command()
def export(directory: StudyDir) -> None:
    """Export each arm's best configuration and confirmed models."""
    from study.pipeline.export import export as export_stage
    from study.pipeline.progress import Progress
    from study.pipeline.stages import opened

    with opened(directory, Progress()) as prepared:
        for folder in export_stage(prepared):
            typer.echo(folder)


@app.command()
def resume(directory: StudyDir, accept_change: Accept = None) -> None:
    """Run whatever is left of a study."""
    from study.pipeline.progress import Progress
    from study.pipeline.whole import resume as resume_whole

    resume_whole(directory, Progress(), accept_change or ())
    _print_end(directory)


@app.command()
def extend(
    directory: StudyDir,
    trials: Annotated[int, typer.Option(help="Trials more in every arm.")],
    accept_change: Accept = None,
) -> None:
    """Search further and confirm again; the test set stays closed until `setsum test`."""
    from study.pipeline.progress import Progress
    from study.pipeline.stages import extend as extend_stages

    extend_stages(directory, trials, Progress(), accept_change or ())
    _print_end(directory)
    typer.echo(
        f"The test set was not opened. To test the winners of the longer search: setsum test {directory}"
    )


@app.command()
def status(directory: StudyDir) -> None:
    """How far a study is."""
    from study.pipeline.status import describe_status

    for line in describe_status(_existing(directory, series=True)):
        typer.echo(line)


@app.command()
def compare(
    directories: Annotated[list[Path], typer.Argument(help="Studies or series.", metavar="DIR...")],
    out: Annotated[Path, typer.Option(help="Where table and figure go.")] = Path("setsum-compared"),
) -> None:
    """Several studies side by side: one table and one figure."""
    from analysis.side_by_side import study_folders, write_side_by_side

    for path in write_side_by_side(study_folders(directories), out):
        typer.echo(path)


@app.command()
def phantom(
    out: Annotated[Path, typer.Argument(help="A new folder.")],
    kind: Annotated[str, typer.Option(help="wmh or pvs.")] = "wmh",
    scans: Annotated[int, typer.Option(min=1, help="Number of scans.")] = 90,
    shape: Annotated[int, typer.Option(min=8, help="Voxels along each axis.")] = 16,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    rater_noise: Annotated[
        float, typer.Option("--rater-noise", min=0, help="Disagreement of raters, in SDs of the label.")
    ] = 0.0,
) -> None:
    """Write a phantom cohort as NIfTI files."""
    from study.cohort.phantom import write_phantom
    from study.pipeline.progress import Progress

    with Progress().stage("phantom", scans) as update:
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


@app.command()
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


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="An export's config.yaml, or one like it.")],
    cohort: Annotated[Path, typer.Option(help="A folder or manifest of scans.")],
    layout: Annotated[str, typer.Option(help="auto, wmh, manifest or bids.")] = "auto",
    out: Annotated[Path, typer.Option(help="Where the model goes.")] = Path("setsum-model"),
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Train one configuration, without Ray."""
    from study.pipeline.progress import Progress
    from study.pipeline.train import train as train_recipe
    from study.regression.recipe import read_recipe

    for result in train_recipe(read_recipe(config), cohort, out, Progress(), layout=layout, device=device):
        scores = f"out-of-fold MSE {result.report.mse:.4g}, ICC(A,1) {result.report.icc:.3f}"
        typer.echo(f"seed {result.seed}: {scores}, {result.verdict}")
    typer.echo(f"model: {out}")


@app.command()
def predict(
    export: Annotated[Path, typer.Argument(help="A folder of `setsum export` or `setsum train`.")],
    scans: Annotated[list[Path], typer.Argument(help="NIfTI files.")],
    output: Annotated[Path, typer.Option("-o", "--output", help=".csv, .tsv or .parquet")] = Path(
        "predictions.csv"
    ),
    mask: Annotated[list[Path] | None, typer.Option(help="A region mask a scan, in the same order.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Predict new scans with an exported model."""
    from study.pipeline.predict import check_output, predict_scans, write_predictions
    from study.pipeline.progress import Progress

    check_output(output)
    write_predictions(output, predict_scans(export, scans, mask or [], Progress(), device=device))
    typer.echo(output)


def main() -> None:
    """Entry point."""
    run_command(app)


def _existing(directory: Path, series: bool = False) -> Path:
    if (directory / "series.yaml").is_file() and not series:
        raise BadInput("a series of studies", where=str(directory), fix="Name one of the folders in it")
    if not (directory / "study.yaml").is_file() and not (directory / "series.yaml").is_file():
        raise BadInput("no study here (study.yaml is missing)", where=str(directory))
    return directory.resolve()


def _one_stage(directory: Path, stage: "Callable[[Prepared, Progress], None]") -> None:
    from study.pipeline.progress import Progress
    from study.pipeline.stages import opened

    with opened(directory, progress := Progress()) as prepared:
        stage(prepared, progress)
    _print_end(directory)


def _print_end(directory: Path) -> None:
    from study.pipeline.ending import console_for_tables, print_ending
    from study.record import StudyDirectory

    print_ending(StudyDirectory(directory.resolve()), console_for_tables())


if __name__ == "__main__":
    main()
