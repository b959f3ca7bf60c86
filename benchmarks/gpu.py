"""On a machine with a GPU: packed trials against one alone, graphs, the bound of the convolutions, memory.

Elsewhere it says so and measures nothing. Every function takes a device and a grid, so that its
path can be walked on a CPU.
"""

import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import ray
import torch
from rich.console import Console
from torch.nn import functional

from benchmarks.measure import Row, compared, interleaved, publish
from study.pipeline.packed import whole_assignment
from study.pipeline.prepare import prepare
from study.pipeline.progress import Progress
from study.regression.config import TrialConfig
from study.regression.graphed import Graphed
from study.regression.precision import fastest_precision
from study.regression.regressor import BaseRegressor
from study.regression.training import NetworkTraining
from study.settings import read_settings
from study.sweep.assignment import Assignment
from study.sweep.cluster import start_ray
from study.sweep.packing import cpu_places_a_gpu, measure_alone, pack
from study.sweep.process import forget_peak_memory, peak_memory_mb, settle

SMALL, LARGE = 32, 128
"""Voxels along an axis."""
SCANS = 24
LIMIT_S = 300
"""After which a packed process that waits for the others gives up."""


def measure() -> None:
    """All of it, where there is a GPU."""
    if not torch.cuda.is_available():
        print("no GPU here")
        return
    packed, why = packed_against_alone(SMALL)
    replayed = [replayed_against_launched(side, "cuda") for side in (SMALL // 2, SMALL, 2 * SMALL)]
    rows = [packed, *replayed, against_bound(LARGE, "cuda"), peak_memory(LARGE, "cuda")]
    publish("gpu", f"On a GPU: {torch.cuda.get_device_name()}", rows, [why])


def packed_against_alone(side: int, gpus: float = 1.0, presentations: int = 4000) -> tuple[Row, str]:
    """Presentations a second of trials that share a GPU, together, against one alone; and the reason."""
    with tempfile.TemporaryDirectory() as folder, start_ray():
        assignment = _assignment(Path(folder), side, gpus)
        config = TrialConfig(n=4, presentations=presentations, reports=4, precision=_precision(side, gpus))
        measured = measure_alone(assignment, config, 1)
        packing = pack(measured, by_cpu=cpu_places_a_gpu(1) if gpus else 2)
        shared = replace(assignment, gpus=packing.gpus if gpus else 0.0)
        alone, together = [], []
        for number in range(3):
            alone.append(_rate(Path(folder) / f"alone-{number}", assignment, config, 1))
            together.append(_rate(Path(folder) / f"packed-{number}", shared, config, packing.trials))
    ratios = np.array(together) / np.array(alone)
    row = Row(
        what=f"{packing.trials} trials on one GPU, {side}^3",
        ours=float(np.median(together)),
        unit="presentations/s",
        against="one trial alone",
        other=float(np.median(alone)),
        ratio=float(np.median(ratios)),
        spread=(float(ratios.min()), float(ratios.max())),
        target=">= 3",
    )
    return row, packing.reason


def replayed_against_launched(side: int, device: str) -> Row:
    """A training step by CUDA graphs against one launched kernel by kernel; the same two on a CPU."""
    precision = fastest_precision((side,) * 3, 4, device)
    config = TrialConfig(n=2, scans_per_step=4, presentations=10**6, precision=precision)
    with tempfile.TemporaryDirectory() as folder:
        assignment = _assignment(Path(folder), side, 0.0)
        launched, replayed = (assignment.cross_validation(config, device).trainings[0] for _ in range(2))
        launched.passing = launched.network
        if device == "cuda":
            replayed.passing = Graphed(replayed.network)

        def step(training: NetworkTraining) -> None:
            training.advance(training.presentations + 1)
            _finish(device)

        seconds = interleaved(
            {"replayed": lambda: step(replayed), "launched": lambda: step(launched)}, rounds=30, warmup=4
        )
    return compared(
        f"a step of 4 scans at {side}^3, {precision}, by graphs",
        seconds["replayed"],
        "launch by launch",
        seconds["launched"],
        faster=True,
    )


def against_bound(side: int, device: str) -> Row:
    """A training step against forward and backward of its convolutions alone."""
    precision = fastest_precision((side,) * 3, 4, device)
    config = TrialConfig(n=2, scans_per_step=4, presentations=10**6, chunk=4, precision=precision)
    with tempfile.TemporaryDirectory() as folder:
        training = _assignment(Path(folder), side, 0.0).cross_validation(config, device).trainings[0]
        bound = _Convolutions(side, 4, device, precision)

        def step() -> None:
            training.advance(training.presentations + 1)
            _finish(device)

        seconds = interleaved({"step": step, "bound": bound.run}, rounds=15, warmup=4)
    return compared(
        f"a step of 4 scans at {side}^3, {precision}; bound's time by ours",
        seconds["step"],
        "its convolutions only",
        seconds["bound"],
        target=">= 0.6",
        faster=True,
    )


def peak_memory(side: int, device: str, n: int = 64) -> Row:
    """Of one streamed step with a set of n scans, four at a time."""
    config = TrialConfig(
        n=n, scans_per_step=n, replacement=True, chunk=4, presentations=10**6, precision="bfloat16"
    )
    with tempfile.TemporaryDirectory() as folder:
        training = _assignment(Path(folder), side, 0.0).cross_validation(config, device).trainings[0]
        training.advance(1)
        forget_peak_memory(device)
        training.advance(training.presentations + 1)
    gigabytes = peak_memory_mb(device) / 1e3
    return Row(
        what=f"peak memory of a step, n = {n} at {side}^3, streamed",
        ours=gigabytes,
        unit="GB",
        ratio=gigabytes,
        target="<= 8",
    )


class _Convolutions:
    """Forward and backward of the regressor's four convolutions, on inputs that are there already."""

    def __init__(self, side: int, scans: int, device: str, precision: str) -> None:
        self.device = device
        kind = torch.bfloat16 if precision == "bfloat16" else torch.float32
        network = BaseRegressor().to(device, kind).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.pairs = ((network.conv1, network.conv2), (network.conv3, network.conv4))
        shapes = ((scans, 1, side, side, side), (scans, 33, side // 2, side // 2, side // 2))
        self.inputs = [
            torch.randn(shape, device=device, dtype=kind).to(memory_format=torch.channels_last_3d)
            for shape in shapes
        ]
        # The second block needs the gradient of its input, the first has none to give.
        self.inputs[1].requires_grad_()

    def run(self) -> None:
        """Once."""
        for (first, second), images in zip(self.pairs, self.inputs, strict=True):
            torch.autograd.backward(functional.relu(second(functional.relu(first(images)))).sum())
        _finish(self.device)


def _rate(folder: Path, assignment: Assignment, config: TrialConfig, trials: int) -> float:
    """Presentations a second of so many trials at once, over all of them."""
    folder.mkdir()
    task = ray.remote(_train).options(num_cpus=1, num_gpus=assignment.gpus)
    spans = ray.get([task.remote(folder, assignment, config, trials) for _ in range(trials)])
    wall = max(end for _, end in spans) - min(start for start, _ in spans)
    done = config.presentations * (config.reports - 1) // config.reports
    return trials * len(assignment.folds) * done / wall


def _train(folder: Path, assignment: Assignment, config: TrialConfig, trials: int) -> tuple[float, float]:
    """When the reports after the first began, with all the others ready, and when they were done."""
    device = settle(threads=1, gpus=assignment.gpus)
    training = assignment.cross_validation(config, device)
    training.advance()
    (folder / f"{time.time_ns()}-{ray.get_runtime_context().get_task_id()}").touch()
    waiting = time.time()
    while len(list(folder.iterdir())) < trials:
        assert time.time() - waiting < LIMIT_S
        time.sleep(0.01)
    start = time.time()
    while not training.finished:
        training.advance()
    return start, time.time()


def _assignment(folder: Path, side: int, gpus: float) -> Assignment:
    fields = {
        "arms": "[base]",
        "phantom": f"{{kind: wmh, scans: {SCANS}, shape: [{side}, {side}, {side}]}}",
        "preprocessing.shape": f"[{side}, {side}, {side}]",
        "split.test": SCANS // 3,
        "precision": "float32",
    }
    settings = read_settings(None, [f"{key}={value}" for key, value in fields.items()])
    prepared = prepare(settings, folder / "study", Progress(Console(quiet=True)))
    return replace(whole_assignment(prepared), gpus=gpus)


def _precision(side: int, gpus: float) -> str:
    return fastest_precision((side,) * 3, 4, "cuda" if gpus else "cpu")


def _finish(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
