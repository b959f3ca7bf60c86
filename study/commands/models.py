"""Commands about models: train one configuration, predict new scans."""

from pathlib import Path
from typing import Annotated

import typer

from study.commands.opened import told
from study.commands.options import Quiet, Regressor


def train(
    config: Annotated[Path, typer.Argument(help="An export's config.yaml, or one like it.")],
    cohort: Annotated[Path, typer.Option(help="A folder or manifest of scans.")],
    layout: Annotated[str, typer.Option(help="auto, wmh, manifest or bids.")] = "auto",
    out: Annotated[Path, typer.Option(help="Where the model goes.")] = Path("setsum-model"),
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    regressor: Regressor = None,
    quiet: Quiet = False,
) -> None:
    """Train one configuration, without Ray."""
    from study.pipeline.train import train as train_recipe
    from study.regression.recipe import read_recipe
    from study.regression.training import DivergedError
    from study.sweep.interrupt import FAILED, StoppedError

    recipe = read_recipe(config, regressor)
    what = "of the training scans themselves" if recipe.refit else "out-of-fold"
    try:
        trained = train_recipe(recipe, cohort, out, told(quiet), layout=layout, device=device)
    except DivergedError as error:
        raise StoppedError(f"the training diverged: {error}", FAILED) from error
    for result in trained:
        scores = f"{what} MSE {result.report.mse:.4g}, ICC(A,1) {result.report.icc:.3f}"
        typer.echo(f"seed {result.seed}: {scores}, {result.verdict}")
    typer.echo(f"model: {out}")


def predict(
    export: Annotated[Path, typer.Argument(help="A folder of `setsum export` or `setsum train`.")],
    scans: Annotated[
        list[Path], typer.Argument(help="NIfTI files, folders, quoted patterns, BIDS folders, manifests.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help=".csv, .tsv or .parquet")] = Path(
        "predictions.csv"
    ),
    mask: Annotated[list[Path] | None, typer.Option(help="A region mask a scan, in the same order.")] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse scans unlike those of the training.")
    ] = False,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    regressor: Regressor = None,
    quiet: Quiet = False,
) -> None:
    """Predict new scans with an exported model."""
    from study.pipeline.predict import check_output, predict_scans, write_predictions

    check_output(output)
    table = predict_scans(
        export, scans, mask or [], told(quiet), strict=strict, device=device, regressor=regressor
    )
    write_predictions(output, table)
    typer.echo(output)
