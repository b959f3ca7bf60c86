"""Training one network on one training fold, presentation by presentation, resumable at any report."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from study.cohort.rows import Images
from study.regression.allocator import keep_freed_memory
from study.regression.augmentation import apply_transforms, draw_transforms
from study.regression.bias_penalty import bias_penalty_backward
from study.regression.config import BASE, TrialConfig
from study.regression.device import suitable_chunk
from study.regression.graphed import Graphed, is_worth_it
from study.regression.mixup import draw_mixing, draw_partners, mix
from study.regression.objective import Done, backward_slots
from study.regression.optimiser import learning_rate, make_optimiser
from study.regression.prediction import Predictor, build_network
from study.regression.resident import on_device
from study.regression.sets import BLANK, draw_sets


class DivergedError(Exception):
    """A loss or a prediction is not finite, or has exploded."""


EXPLODED = 1e6
"""Mean loss a scan, in training units (label variance 1), beyond which a training has diverged."""


@dataclass(kw_only=True)
class _Streams:
    """Independent sources of randomness: the same for every configuration (common random numbers)."""

    order: np.random.Generator
    augmentation: np.random.Generator
    mixing: np.random.Generator
    dropout: np.random.Generator


class NetworkTraining:
    """One network on its way through its budget.

    Args:
        config: How to train.
        images_MDHW: Training scans, (m, D, H, W); read a chunk at a time.
        labels_M: (m,), label units.
        seeds: Seeds the initial weights, order, augmentation, mixing and dropout.
        device: Where the network lives.
    """

    def __init__(
        self,
        config: TrialConfig,
        images_MDHW: Images,
        labels_M: NDArray[np.float64],
        *,
        seeds: np.random.SeedSequence,
        device: str = "cpu",
    ) -> None:
        weights, *streams = seeds.spawn(5)
        keep_freed_memory()
        self.config, self.device = config, device
        self.chunk = config.chunk or suitable_chunk(images_MDHW.shape[1:], device)
        self.images_MDHW = images_MDHW
        spread = float(np.std(labels_M))
        self.label_scale = spread if config.scale_labels and spread > 0 else 1.0
        self.labels_M = torch.from_numpy(labels_M / self.label_scale).float().to(device)
        # Sets are drawn on the CPU: a copy from the device would wait for it at every step.
        self.host_labels_M = self.labels_M.cpu().numpy()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(weights.generate_state(1)[0]))
            self.network = build_network(config).to(device)
        bias = getattr(self.network, "output_bias", None)
        if config.bias_at_mean and config.blank == "mask" and isinstance(bias, Tensor):
            nn.init.constant_(bias, float(self.labels_M.mean()))
        self.averaged = copy.deepcopy(self.network).requires_grad_(False)
        self.optimiser = make_optimiser(self.network.parameters(), config)
        self.passing = self.network
        if is_worth_it(device, images_MDHW.shape[1:], config):
            self.passing = Graphed(self.network)
        order, augmentation, mixing, dropout = map(np.random.default_rng, streams)
        self.streams = _Streams(order=order, augmentation=augmentation, mixing=mixing, dropout=dropout)
        self.sets_SN = np.empty((0, config.n), dtype=np.int64)
        self.bank_M = torch.full_like(self.labels_M, float("nan"))
        self.presentations = self.steps = 0

    def advance(self, presentations: int) -> float:
        """Train until at least this many presentations have passed; the mean loss of the steps taken.

        Raises:
            DivergedError: The loss is not finite or exploded.
        """
        self.network.train()
        losses = []
        while self.presentations < presentations:
            losses.append(self._step())
            if not losses[-1] < EXPLODED * self.config.n**2:
                raise DivergedError(
                    f"loss {losses[-1]:g} at step {self.steps}, learning rate {self.config.learning_rate:g}"
                )
        return float(np.mean(losses)) if losses else float("nan")

    def predictor(self) -> Predictor:
        """The network that predicts now (averaged weights), in label units; shares its weights."""
        branches = self.config.n - 1 if self.config.blank == "image" else 0
        return Predictor(self.averaged, self.label_scale, branches).to(self.device).eval()

    def _step(self) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.config, self.presentations)
        self.optimiser.zero_grad(set_to_none=True)
        sets_SN = self._next_sets()
        objectives = {"set_sum": self._sets, "mixup": self._mixed, "bias_penalty": self._penalised}
        with self._layers_seeded():
            loss = objectives[self.config.objective](sets_SN)
        self.optimiser.step()
        self._average()
        self.presentations += int((sets_SN != BLANK).sum())
        self.steps += 1
        return loss

    @contextmanager
    def _layers_seeded(self) -> Iterator[None]:
        """What layers of a user's own draw comes from torch's generator; seeded at every step, a resumed
        training draws the same. The base regressor's dropout has generators of its own."""
        if self.config.regressor == BASE:
            yield
            return
        with torch.random.fork_rng(devices=[] if torch.device(self.device).type == "cpu" else [self.device]):
            torch.manual_seed(int(self.streams.dropout.integers(2**62)))
            yield

    def _next_sets(self) -> NDArray[np.int64]:
        """The sets of this step; an epoch's last step may hold fewer."""
        config = self.config
        if not len(self.sets_SN):
            m = len(self.labels_M)
            self.sets_SN = draw_sets(m, config.n, config.p, config.replacement, self.streams.order)
        count = config.slots_per_step // config.n
        step_SN, self.sets_SN = self.sets_SN[:count], self.sets_SN[count:]
        return step_SN

    def _sets(self, sets_SN: NDArray[np.int64]) -> float:
        config = self.config
        slots = sets_SN.reshape(-1)
        transforms = self._draw_transforms(len(slots))
        present_SN = sets_SN != BLANK
        labels_SN = np.where(present_SN, self.host_labels_M[np.maximum(sets_SN, 0)], np.float32(0))
        done = backward_slots(
            self.passing,
            lambda rows: self._augmented(slots[rows], transforms[rows]),
            torch.from_numpy(labels_SN).to(self.device),
            present_SN | (config.blank == "image"),
            loss=config.loss,
            execution=config.execution,
            chunk=self.chunk,
            slot_seeds=self._dropout_seeds(len(slots)),
        )
        return self._remembered(done)

    def _mixed(self, sets_SN: NDArray[np.int64]) -> float:
        scans = sets_SN[:, 0]
        partners = draw_partners(scans, self.host_labels_M, self.config.mixup_bandwidth, self.streams.mixing)
        weights = draw_mixing(len(scans), self.config.mixup_alpha, self.streams.mixing)
        transforms = self._draw_transforms(len(scans))
        labels_SN = mix(self.labels_M[scans], self.labels_M[partners], weights).unsqueeze(1)

        def fetch(rows: NDArray[np.int64]) -> Tensor:
            return mix(
                self._augmented(scans[rows], transforms[rows]),
                self._augmented(partners[rows], transforms[rows]),
                weights[rows],
            )

        done = backward_slots(
            self.passing,
            fetch,
            labels_SN,
            np.ones_like(sets_SN, dtype=bool),
            loss=self.config.loss,
            execution=self.config.execution,
            chunk=self.chunk,
            slot_seeds=self._dropout_seeds(len(scans)),
        )
        return self._remembered(done)

    def _remembered(self, done: Done) -> float:
        """The loss; a chunk that was halved for want of memory stays so."""
        if self.config.execution == "streamed":
            self.chunk = min(self.chunk, done.chunk)
        return done.loss

    def _penalised(self, sets_SN: NDArray[np.int64]) -> float:
        scans = sets_SN[:, 0]
        images = self._augmented(scans, self._draw_transforms(len(scans)))
        rows = torch.from_numpy(scans).to(self.device)
        return bias_penalty_backward(
            self.network, images, self.labels_M[rows], self.bank_M, rows, self.config.bias_weight
        )

    def _draw_transforms(self, count: int) -> NDArray[np.float64]:
        config = self.config
        return draw_transforms(
            count,
            flips=config.flips,
            rotation=config.rotation,
            translation=config.translation,
            generator=self.streams.augmentation,
        )

    def _dropout_seeds(self, count: int) -> list[int] | None:
        if self.config.dropout == 0:
            return None
        return [int(seed) for seed in self.streams.dropout.integers(2**62, size=count)]

    def _augmented(self, scans: NDArray[np.int64], transforms: NDArray[np.float64]) -> Tensor:
        """Augmented copies (B, 1, D, H, W) of the scans; a blank is a zero image."""
        config = self.config
        moved = on_device(self.images_MDHW, scans, self.device)
        if config.flips or config.rotation or config.translation:
            moved = apply_transforms(moved, transforms, config.interpolation)
        return moved.unsqueeze(1)

    def _average(self) -> None:
        # Early on the average follows the weights closely, so that it never lags behind the start.
        decay = min(self.config.averaging, (1 + self.steps) / (10 + self.steps))
        if self.config.averaging == 0:
            decay = 0.0
        averaged, current = list(self.averaged.parameters()), list(self.network.parameters())
        get_ema_multi_avg_fn(decay)(averaged, current, None)  # type: ignore[no-untyped-call]
        # Running statistics of layers that keep some are averages already.
        for kept, now in zip(self.averaged.buffers(), self.network.buffers(), strict=True):
            kept.copy_(now)

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on as if never stopped; plain tensors, numbers and strings."""
        return {
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "streams": {name: g.bit_generator.state for name, g in vars(self.streams).items()},
            "sets": torch.from_numpy(self.sets_SN.copy()),
            "bank": self.bank_M,
            "presentations": self.presentations,
            "steps": self.steps,
            "chunk": self.chunk,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict` of a training with the same configuration, data and seeds."""
        self.network.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        for name, generator in vars(self.streams).items():
            generator.bit_generator.state = state["streams"][name]
        self.sets_SN = state["sets"].numpy()
        self.bank_M = state["bank"].to(self.device)
        self.presentations, self.steps = state["presentations"], state["steps"]
        self.chunk = state["chunk"]
