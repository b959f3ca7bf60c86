"""What a trained network predicts: label units, blank branches, and the mean over a few fixed views."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from study.cohort.rows import Images
from study.regression.allocator import keep_freed_memory
from study.regression.augmentation import draw_transforms, identity_transform, through_views
from study.regression.config import BASE, TrialConfig
from study.regression.device import full_float32, suitable_chunk
from study.regression.named import build_named
from study.regression.objective import is_out_of_memory
from study.regression.regressor import BaseRegressor
from study.regression.resident import on_device


class Predictor(nn.Module):
    """A network together with its label unit and, for `image` blanks, its other branches.

    With image blanks a prediction is f(I) + (n - 1) f(B), the paper's inference with the input of
    all other branches set to zero (section 2.2); with masked blanks it is f(I).

    Args:
        network: (B, 1, D, H, W) -> (B,), in training units.
        label_scale: Label units in one training unit, positive.
        blank_branches: n - 1 for image blanks, 0 for masked ones.
    """

    scale: Tensor

    def __init__(self, network: nn.Module, label_scale: float, blank_branches: int) -> None:
        super().__init__()
        self.network = network
        self.blank_branches = blank_branches
        self.register_buffer("scale", torch.tensor(label_scale, dtype=torch.float32))

    def forward(self, images_BCDHW: Tensor) -> Tensor:
        """(B, 1, D, H, W) to (B,), in label units."""
        predictions: Tensor = self.network(images_BCDHW)
        if self.blank_branches:
            predictions = predictions + self.blank_branches * self.network(torch.zeros_like(images_BCDHW[:1]))
        return predictions * self.scale

    def blank_response(self, shape: Sequence[int]) -> float:
        """|f(B)| in label units, for a grid (D, H, W)."""
        with torch.inference_mode():
            return float(
                (self.network(torch.zeros(1, 1, *shape, device=self.scale.device)) * self.scale).abs()
            )


def build_network(config: TrialConfig) -> nn.Module:
    """The regressor of a configuration, weights from torch's current generator.

    Raises:
        BadInput: It is one of the user's own, and cannot be built.
    """
    if config.regressor != BASE:
        # As its author laid it out in memory: `view` on maps fails where channels lie last.
        return build_named(config.regressor, config.dropout)
    network = BaseRegressor(config.dropout, config.precision)
    return network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload, no-any-return]


def build_predictor(config: TrialConfig, label_scale: float = 1.0) -> Predictor:
    """An untrained predictor, to load weights into; in evaluation mode."""
    branches = config.n - 1 if config.blank == "image" else 0
    return Predictor(build_network(config), label_scale, branches).eval()


def draw_views(config: TrialConfig, seed: int) -> NDArray[np.float64]:
    """The fixed transforms (V, 3, 4) that every prediction of a study averages over.

    Resampling blurs, and a network trained on blurred scans misjudges sharp ones; so it predicts
    through the same resampling. One view is the scan as it is.
    """
    if config.views == 1:
        return identity_transform()
    return draw_transforms(
        config.views,
        flips=config.flips,
        rotation=config.rotation,
        translation=config.translation,
        generator=np.random.default_rng([seed, config.views]),
    )


_RESAMPLED = 8
"""Scans, about, that one view is computed for at once: where its voxels come from is found once for all."""


def predict(
    predictor: nn.Module,
    images_MDHW: Images,
    views_V34: NDArray[np.float64],
    *,
    config: TrialConfig,
    device: str = "cpu",
) -> NDArray[np.float64]:
    """Mean prediction over the views, (M,), in label units; some eight images, or a chunk, in memory at once.

    When a device runs out of memory both halve.
    """
    predictor.eval()
    keep_freed_memory()
    chunk = config.chunk or suitable_chunk(images_MDHW.shape[1:], device)
    several = chunk * math.ceil(_RESAMPLED / chunk)
    means_M, start = np.empty(len(images_MDHW)), 0
    while start < len(means_M):
        rows = np.arange(start, min(start + several, len(means_M)))
        try:
            images = on_device(images_MDHW, rows, device)
            means_M[rows] = _over_views(predictor, images, views_V34, config, chunk)
        except (MemoryError, RuntimeError) as error:
            if several == 1 or not is_out_of_memory(error):
                raise
            several, chunk = several // 2, max(1, chunk // 2)
        else:
            start += len(rows)
    return means_M


def _over_views(
    predictor: nn.Module,
    images_BDHW: Tensor,
    views_V34: NDArray[np.float64],
    config: TrialConfig,
    chunk: int,
) -> NDArray[np.float64]:
    """Mean predictions (B,)."""
    totals_B = np.zeros(len(images_BDHW))
    at_once = max(1, chunk // len(images_BDHW))
    with torch.inference_mode(), full_float32():
        for start in range(0, len(views_V34), at_once):
            views = views_V34[start : start + at_once]
            seen = _seen(images_BDHW, views, config)
            predictions = torch.cat([predictor(part.unsqueeze(1)) for part in torch.split(seen, chunk)])
            totals_B += predictions.view(len(views), -1).double().sum(dim=0).cpu().numpy()
    return totals_B / len(views_V34)


def _seen(images_BDHW: Tensor, views_V34: NDArray[np.float64], config: TrialConfig) -> Tensor:
    """The scans through each view, (V * B, D, H, W)."""
    if np.array_equal(views_V34, identity_transform()):
        return images_BDHW
    return through_views(images_BDHW, views_V34, config.interpolation)
