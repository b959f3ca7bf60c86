"""Whether a configuration's scores are the same bit for bit, whichever thread count or chunk computed them.

`python -m benchmarks same_bits` trains one configuration after the other and compares its out-of-fold
predictions with those of one thread and the chunk of 32.
"""

from collections.abc import Iterator
from itertools import product

import numpy as np
import torch

from benchmarks.measure import Row, publish
from study.cohort.split import Fold
from study.regression.config import TrialConfig
from study.regression.crossvalidation import CrossValidation
from study.regression.regressor import BaseRegressor, Precision
from study.sweep.process import settle

SCANS, SETS = 24, 4
SIDES, THREADS, CHUNKS = (10, 16), (1, 2), (1, 3, 32)
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")
USUAL = (1, 32)
"""Threads and chunk that the others are compared with."""


def trained(config: TrialConfig, side: int, threads: int) -> np.ndarray:
    """(reports, repeats, scans) out-of-fold predictions of a short training on images of noise."""
    device = settle(threads=threads, gpus=0)
    rng = np.random.default_rng(0)
    labels_M = rng.uniform(1, 3, SCANS)
    images_MDHW = rng.normal(labels_M[:, None, None, None], 0.5, (SCANS, side, side, side)).astype(np.float32)
    halves = np.split(rng.permutation(SCANS), 2)
    folds = tuple(
        Fold(repeat=0, index=index, train=np.sort(halves[1 - index]), held_out=np.sort(halves[index]))
        for index in range(2)
    )
    training = CrossValidation(config, images_MDHW, labels_M, folds, seed=1, view_seed=2, device=device)
    return np.stack([training.advance().oof_RM for _ in range(config.reports)])


def configuration(precision: str, chunk: int, **fields: object) -> TrialConfig:
    """Sets of four with blanks, several chunks a step."""
    given = {"n": SETS, "p": 0.1, "scans_per_step": 8, "presentations": 48, "reports": 2, "views": 2}
    return TrialConfig(**{**given, "precision": precision, "chunk": chunk, **fields})


def differences() -> Iterator[Row]:
    """A row a grid, precision and variant: the largest difference of a prediction, by the labels' spread."""
    for side, precision in product(SIDES, PRECISIONS):
        usual = trained(configuration(precision, USUAL[1]), side, USUAL[0])
        again = trained(configuration(precision, USUAL[1]), side, USUAL[0])
        yield _row(f"{side}^3 {precision}: again", usual, again)
        for threads in THREADS[1:]:
            other = trained(configuration(precision, USUAL[1]), side, threads)
            yield _row(f"{side}^3 {precision}: {threads} threads", usual, other)
        for chunk in CHUNKS[:-1]:
            other = trained(configuration(precision, chunk), side, USUAL[0])
            yield _row(f"{side}^3 {precision}: chunk {chunk}", usual, other)


def touched(side: int, precision: Precision) -> list[str]:
    """What of a forward and backward pass has other bits with another number of threads."""
    one, other = (_pass(side, precision, threads) for threads in THREADS)
    return [name for name in one if not torch.equal(one[name], other[name])]


def _pass(side: int, precision: Precision, threads: int) -> dict[str, torch.Tensor]:
    """Predictions of eight images and the gradient of each parameter."""
    settle(threads=threads, gpus=0)
    network = BaseRegressor(precision=precision)
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    images = torch.randn(8, 1, side, side, side, generator=torch.Generator().manual_seed(0))
    predictions = network(images)
    torch.autograd.backward((predictions * torch.arange(1.0, 9.0)).sum())
    found = {"predictions": predictions.detach()}
    return found | {name: value.grad for name, value in network.named_parameters() if value.grad is not None}


def _row(what: str, usual: np.ndarray, other: np.ndarray) -> Row:
    return Row(what=what, ours=float(np.max(np.abs(usual - other)) / np.std(usual[-1])), unit="SD")


def measure() -> None:
    """Print and store the table; 0 means the same bits."""
    publish(
        "same_bits",
        "Largest difference of an out-of-fold prediction from that of one thread and chunk 32",
        list(differences()),
        ["In standard deviations of the predictions; 0 is bit for bit.", *_notes()],
    )


def _notes() -> list[str]:
    """Which gradients depend on the number of threads."""
    return [
        f"{side}^3 {precision}, one pass with 1 and 2 threads, other bits in: "
        f"{', '.join(touched(side, precision)) or 'nothing'}"
        for side, precision in product(SIDES, PRECISIONS)
    ]
