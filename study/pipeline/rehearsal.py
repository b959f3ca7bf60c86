"""A training rehearsed on noise: how long a presentation takes here, how much memory, how many bytes.

The grid, the threads and the device are those of the study's trials; only the voxels are made up.
"""

import io
import json
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import torch

from study.cohort.split import Fold
from study.regression.config import TrialConfig
from study.regression.crossvalidation import CrossValidation
from study.regression.prediction import predict
from study.sweep.process import end_with_parent, forget_peak_memory, peak_memory_mb, settle

MEASURED_S = 1.5
"""Seconds of training that are timed for each kind of configuration."""
STEPS = 5
"""Of training before the clock is looked at again, and before it starts."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """What one network of a configuration takes on this machine.

    Args:
        presentation_s: Seconds of training a presentation.
        prediction_s: Seconds of predicting a scan through all views.
        peak_bytes: Most memory of the process meanwhile, or of the GPU.
        state_bytes: Of a checkpoint.
    """

    presentation_s: float
    prediction_s: float
    peak_bytes: float
    state_bytes: int


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Where trials would run: grid (D, H, W), device, threads of a trial, and how many run at once here."""

    shape: tuple[int, ...]
    device: str
    threads: int
    at_once: int


Rehearse = Callable[[Sequence[TrialConfig], Stage], tuple[list[Pace], float]]


def rehearser() -> Rehearse:
    """`rehearse_together` that remembers: studies of a series have most configurations in common."""
    known: dict[tuple[TrialConfig, Stage], Pace] = {}
    started: dict[Stage, float] = {}

    def rehearsed(configs: Sequence[TrialConfig], stage: Stage) -> tuple[list[Pace], float]:
        new = [config for config in configs if (config, stage) not in known]
        if new:
            paces, started[stage] = rehearse_together(new, stage)
            known.update({(config, stage): pace for config, pace in zip(new, paces, strict=True)})
        return [known[config, stage] for config in configs], started[stage]

    return rehearsed


def rehearse_together(configs: Sequence[TrialConfig], stage: Stage) -> tuple[list[Pace], float]:
    """Rehearse configurations in as many processes at once as trials would run in, which share the machine.

    Returns:
        The mean pace of each configuration, and the seconds that a process took to be ready.
    """
    begin = time.perf_counter()
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(stage.at_once, spawn, initializer=_settled, initargs=(stage,)) as pool:
        for ready in [pool.submit(_ready) for _ in range(stage.at_once)]:
            ready.result()
        started = time.perf_counter() - begin
        waiting = [
            [pool.submit(rehearse, config, stage.shape, stage.device) for _ in range(stage.at_once)]
            for config in configs
        ]
        paces = [_mean([future.result() for future in futures]) for futures in waiting]
    return paces, started


def _settled(stage: Stage) -> None:
    # What a worker has loaded counts in its memory, and in the time until it is ready.
    import study.sweep.trainable  # noqa: F401

    end_with_parent()
    settle(threads=stage.threads, gpus=1 if stage.device == "cuda" else 0)


def _ready() -> None:
    # A process that took a second one of these would leave another, not yet ready, without any.
    time.sleep(0.1)


def _mean(paces: Sequence[Pace]) -> Pace:
    return Pace(
        presentation_s=fmean(pace.presentation_s for pace in paces),
        prediction_s=fmean(pace.prediction_s for pace in paces),
        peak_bytes=max(pace.peak_bytes for pace in paces),
        state_bytes=max(pace.state_bytes for pace in paces),
    )


def rehearse(config: TrialConfig, shape: Sequence[int], device: str) -> Pace:
    """Train one network on noise for a moment, and predict; the process is settled."""
    forget_peak_memory(device)
    training = rehearsed_training(config, shape, device)
    network = training.trainings[0]
    step = config.slots_per_step
    network.advance(STEPS * step)
    _wait(device)
    begin, before = time.perf_counter(), network.presentations
    while time.perf_counter() - begin < MEASURED_S:
        network.advance(network.presentations + STEPS * step)
        _wait(device)
    trained, seconds = network.presentations - before, time.perf_counter() - begin
    begin = time.perf_counter()
    images = training.images_MDHW
    predict(network.predictor(), images, training.views, config=config, device=device)
    _wait(device)
    predicting = time.perf_counter() - begin
    state = io.BytesIO()
    torch.save(training.state_dict(), state)
    return Pace(
        presentation_s=seconds / trained,
        prediction_s=predicting / len(images),
        peak_bytes=peak_memory_mb(device) * 1e6,
        state_bytes=state.getbuffer().nbytes,
    )


def rehearsed_training(config: TrialConfig, shape: Sequence[int], device: str) -> CrossValidation:
    """A training of one network on noise, with as few scans as its sets allow."""
    generator = np.random.default_rng(0)
    training_scans, held_out = max(8, config.slots_per_step), 8
    images_MDHW = generator.normal(size=(training_scans + held_out, *shape)).astype(np.float32)
    labels_M = generator.uniform(1, 2, size=len(images_MDHW))
    fold = Fold(
        repeat=0,
        index=0,
        train=np.arange(training_scans),
        held_out=training_scans + np.arange(held_out),
    )
    # Averages of a network on noise may explode with a bold rate: the pace is the same with a small one.
    calm = config.model_copy(update={"learning_rate": min(config.learning_rate, 1e-4)})
    return CrossValidation(calm, images_MDHW, labels_M, [fold], seed=0, view_seed=0, device=device)


def report_bytes(predictions: int) -> int:
    """Of one report's line with so many out-of-fold predictions in `results.jsonl`."""
    noise = np.random.default_rng(0).normal(50, 10, size=predictions).astype(np.float32)
    return len(json.dumps([float(value) for value in noise]))


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
