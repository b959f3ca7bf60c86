"""Where a search can be followed: TensorBoard's event files, MLflow, Weights & Biases.

Each is told the same: a trial's name and what was searched in it, a few curves over presentations,
and its end. The last two go through Ray's own integrations.
"""

import hashlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

from study.badinput import BadInput

Kind = Literal["tensorboard", "mlflow", "wandb"]
EXTRAS = {"mlflow": "mlflow", "wandb": "wandb"}
"""Packages that do not come with setsum; the extras are named like them."""

OFFLINE = {
    "WANDB_MODE": "offline",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # MLflow would rather have a database, which needs all of it and not its skinny half.
    "MLFLOW_ALLOW_FILE_STORE": "true",
    # A server that has gone would otherwise be asked for minutes, while the search waits.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
"""Environment of a search, where the user has not set these: nothing reaches for the network."""
UPLOAD_S = 60
"""Seconds that a search waits at its end for what W&B has not written or sent yet."""


@dataclass(frozen=True, eq=False)
class Told:
    """A trial as trackers see it; with the names that Ray's integrations look for in a trial of Ray's."""

    arm: str
    number: int
    config: dict[str, Any]
    """What was searched, and its values."""
    local_path: str
    trial_id: str

    def __str__(self) -> str:
        return f"{self.arm}/trial-{self.number:05d}"


class Tracker(Protocol):
    """Follows the trials of one arm."""

    def start(self, trial: Told) -> None:
        """A trial starts, or goes on where an earlier run left it."""

    def report(self, trial: Told, presentations: int, values: Mapping[str, float]) -> None:
        """A new point of each curve."""

    def end(self, trial: Told, failed: bool) -> None:
        """A trial has ended for good."""

    def close(self) -> None:
        """The search ends; some trials may not have."""


def check_trackers(kinds: tuple[Kind, ...]) -> None:
    """See that what a study is to be followed with is installed.

    Raises:
        BadInput: A package is missing.
    """
    for kind in kinds:
        if kind in EXTRAS and find_spec(kind) is None:
            raise BadInput(
                f"`{kind}` is not installed", where="tracking", fix=f"pip install 'setsum[{EXTRAS[kind]}]'"
            )


def make_tracker(kind: Kind, folder: Path, study: str, arm: str) -> Tracker:
    """The tracker of a kind, which writes below `folder` unless the user's environment names a server."""
    if kind == "tensorboard":
        return TensorBoard(folder / "tensorboard")
    if kind == "mlflow":
        return MLflow(folder / "mlflow", study)
    return Wandb(folder, study, arm)


class TensorBoard:
    """Event files, a folder a trial, with what TensorBoard's hparams tab shows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.writers: dict[Told, Any] = {}

    def start(self, trial: Told) -> None:
        # Not `SummaryWriter`: it stays in memory until the process ends, closed or not.
        from tensorboardX.event_file_writer import EventFileWriter

        if trial not in self.writers:
            folder = self.folder / str(trial)
            # A file's name says the second of its making, which alone may be an earlier one's.
            suffix = f".{len(list(folder.glob('events.*')))}"
            self.writers[trial] = EventFileWriter(str(folder), max_queue_size=1000, filename_suffix=suffix)

    def report(self, trial: Told, presentations: int, values: Mapping[str, float]) -> None:
        from tensorboardX.summary import scalar

        for name, value in values.items():
            self._add(trial, scalar(name, value), presentations)
        self.writers[trial].flush()

    def end(self, trial: Told, failed: bool) -> None:
        from tensorboardX.summary import hparams

        # Without the first of the three, an experiment: TensorBoard would take one arm's columns for all.
        _, start, end = hparams({"arm": trial.arm, **_plain(trial.config)}, {})
        for summary in (start, end):
            self._add(trial, summary)
        self.writers.pop(trial).close()

    def _add(self, trial: Told, summary: Any, step: int = 0) -> None:  # noqa: ANN401 - a protocol buffer
        from tensorboardX.proto.event_pb2 import Event

        self.writers[trial].add_event(Event(wall_time=time.time(), step=step, summary=summary))

    def close(self) -> None:
        for writer in self.writers.values():
            writer.close()


class MLflow:
    """Runs in a file store, or on the server that MLFLOW_TRACKING_URI names."""

    def __init__(self, folder: Path, study: str) -> None:
        from ray.air.integrations.mlflow import MLflowLoggerCallback

        self.study = digest(study)
        # Its annotations ask for trials of Ray's, of which it uses what `Told` has.
        integration: Any = MLflowLoggerCallback
        self.callback = integration(
            tracking_uri=os.environ.get("MLFLOW_TRACKING_URI") or folder.as_uri(),
            experiment_name=os.environ.get("MLFLOW_EXPERIMENT_NAME") or f"setsum {Path(study).name}",
            tags={"setsum.study": self.study},
        )
        self.callback.setup()

    def start(self, trial: Told) -> None:
        util = self.callback.mlflow_util
        mine = f"tags.`setsum.study` = '{self.study}' and tags.trial_name = '{trial}'"
        begun = util._get_client().search_runs([util.experiment_id], mine, max_results=1)
        if begun:
            # The run that an interrupted search began is gone on with.
            self.callback._trial_runs.setdefault(trial, begun[0].info.run_id)
        self.callback.log_trial_start(trial)

    def report(self, trial: Told, presentations: int, values: Mapping[str, float]) -> None:
        self.callback.log_trial_result(0, trial, {**values, "training_iteration": presentations})

    def end(self, trial: Told, failed: bool) -> None:
        self.callback.log_trial_end(trial, failed=failed)

    def close(self) -> None:
        """Runs that have not ended stay open, to be gone on with."""


class Wandb:
    """Offline runs, or on the server that the user asks for with WANDB_MODE=online."""

    def __init__(self, folder: Path, study: str, arm: str) -> None:
        from ray.air.integrations.wandb import WandbLoggerCallback

        folder.mkdir(parents=True, exist_ok=True)
        self.running: set[Told] = set()
        integration: Any = WandbLoggerCallback
        self.callback = integration(
            project=os.environ.get("WANDB_PROJECT") or "setsum",
            group=f"{Path(study).name} {arm}",
            upload_timeout=UPLOAD_S,
            dir=str(folder),
            mode=os.environ["WANDB_MODE"],
            resume="allow",
            # Of the process that writes, not of the one that trains.
            settings={"console": "off", "x_disable_stats": True, "save_code": False},
        )
        self.callback.setup()

    def start(self, trial: Told) -> None:
        self.running.add(trial)
        self.callback.log_trial_start(trial)

    def report(self, trial: Told, presentations: int, values: Mapping[str, float]) -> None:
        self.callback.log_trial_result(0, trial, {**values, "training_iteration": presentations})

    def end(self, trial: Told, failed: bool) -> None:
        self.running.discard(trial)
        self.callback.log_trial_end(trial, failed=failed)

    def close(self) -> None:
        for trial in [*self.running]:
            self.end(trial, failed=False)
        self.callback.on_experiment_end([])


def digest(study: str) -> str:
    """Something by its path, which two of one name do not share and which is nobody's business."""
    return hashlib.sha256(study.encode()).hexdigest()[:12]


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: "none" if value is None else value for name, value in config.items()}
