"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Tracking = Annotated[
    str | None, typer.Option(help="Where searches can be followed: tensorboard,mlflow,wandb or some of them.")
]
StudyDir = Annotated[Path, typer.Argument(help="A study directory.", metavar="DIR")]
Seed = Annotated[int | None, typer.Option(min=0, help="Everything random derives from it.")]
Cpus = Annotated[float | None, typer.Option("--cpus-per-trial", help="CPU cores of one trial.")]
Gpus = Annotated[str | None, typer.Option("--gpus-per-trial", help="GPUs of one trial, a share, or auto.")]
Pseudonymise = Annotated[
    bool, typer.Option("--pseudonymise", help="Numbers for scan ids; their key is DIR/pseudonyms.csv.")
]
Accept = Annotated[list[str] | None, typer.Option(help="Go on though this has changed: code.")]
Storage = Annotated[
    str | None, typer.Option(help="Folder or URI (s3://...) that all nodes reach, for checkpoints.")
]
Address = Annotated[str | None, typer.Option(help="Address of a Ray cluster; else one is started here.")]
