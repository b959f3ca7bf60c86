"""One training step, from augmentation to optimiser, against what a user writes and against the bound."""

from collections.abc import Callable

import numpy as np
import torch

from benchmarks.bound import all_operators, convolutions
from benchmarks.elsewhere import Elsewhere, in_turn
from benchmarks.measure import Row, compared, machine_class, publish
from benchmarks.peers import plain_step
from study.regression.allocator import keep_freed_memory
from study.regression.config import TrialConfig
from study.regression.precision import fastest_precision
from study.regression.training import NetworkTraining

SCANS = 4
"""A step's, as in the paper: the peers replicate four branches."""
ROUNDS = {16: 60, 32: 30, 64: 7}
FASTER = {"amx": 4.0, "avx512-bf16": 2.5, "no-bf16": 1.4}
"""Times faster than a user's step that is to be reached, by class of machine."""
FASTER_FLOAT32 = 1.4
OF_BOUND = {16: 1.3, 32: 1.15, 64: 1.2}
PEERS = ("MONAI", "TorchIO")
OPERATORS = "bound, and all other operators once"
TINY = 4
"""Voxels along an axis where a step is all calls and no arithmetic."""
CALLS = f"bound, and what a step of {TINY}^3 takes beside its own"


def cohort(side: int, scans: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Noise with labels: what they hold does not change what a step costs."""
    generator = np.random.default_rng(side)
    images = generator.standard_normal((scans, side, side, side)).astype(np.float32)
    return images, generator.uniform(1, 9, scans)


def own_step(side: int, fields: dict[str, object], scans: int = 16) -> Callable[[], float]:
    """A step of the product; `fields` are a configuration's, `scans` those of the cohort."""
    config = TrialConfig.model_validate({"presentations": 10**9, **fields})
    training = NetworkTraining(config, *cohort(side, scans), seeds=np.random.SeedSequence(0))
    training.network.train()
    return training._step


def bound_step(side: int, precision: str) -> Callable[[], None]:
    """The convolutions alone; memory is kept as the product keeps it."""
    keep_freed_memory()
    return convolutions(side, SCANS, getattr(torch, precision), backward=True)


def operators_step(side: int, precision: str) -> Callable[[], None]:
    """The convolutions, and torch's operators for all else between resampling and means."""
    keep_freed_memory()
    return all_operators(side, SCANS, getattr(torch, precision), backward=True)


def user_step(name: str, side: int) -> Callable[[], float]:
    """A step a user would write."""
    return plain_step(name, *cohort(side), n=SCANS)


def measure() -> None:
    """Print and store the table."""
    rows = [row for threads in (2, 1) for side in ROUNDS for row in _rows(side, threads)]
    publish("step", "One training step of 4 scans, n = 4", rows, [_why_precision()])


def _rows(side: int, threads: int) -> list[Row]:
    best = fastest_precision((side,) * 3, SCANS)
    set_sum = {"n": SCANS, "p": 0.0}
    candidates = {
        "ours": Elsewhere(own_step, side, {**set_sum, "precision": best}, threads=threads),
        "bound": Elsewhere(bound_step, side, best, threads=threads),
        OPERATORS: Elsewhere(operators_step, side, best, threads=threads),
        "tiny": Elsewhere(own_step, TINY, {**set_sum, "precision": best}, threads=threads),
        "tiny bound": Elsewhere(bound_step, TINY, best, threads=threads),
    }
    if best != "float32":
        candidates["ours float32"] = Elsewhere(
            own_step, side, {**set_sum, "precision": "float32"}, threads=threads
        )
    if side > 16:
        candidates |= {name: Elsewhere(user_step, name, side, threads=threads) for name in PEERS}
    seconds = in_turn(candidates, ROUNDS[side])
    what = f"{side}^3, {best}, {threads} thread{'s' * (threads > 1)}"
    rows = [
        compared(what, seconds["ours"], "bound", seconds["bound"], target=f"<= {OF_BOUND[side]}"),
        compared(what, seconds["ours"], OPERATORS, seconds[OPERATORS]),
        compared(what, seconds["ours"], CALLS, seconds["bound"] + seconds["tiny"] - seconds["tiny bound"]),
    ]
    full = seconds.get("ours float32", seconds["ours"])
    for peer in (name for name in PEERS if name in seconds):
        faster = f">= {FASTER[machine_class()]}"
        rows.append(compared(what, seconds["ours"], peer, seconds[peer], target=faster, faster=True))
        whole = f"{side}^3, float32, {threads} thread{'s' * (threads > 1)}"
        if best != "float32":
            rows.append(
                compared(whole, full, peer, seconds[peer], target=f">= {FASTER_FLOAT32}", faster=True)
            )
    return rows


def _why_precision() -> str:
    return (
        "Precision is the one measured to be faster on this machine; a bound is the four convolutions' "
        "forward and backward in it. Ratios: ours by the bound, or the peer by ours."
    )
