"""Mixup (Zhang et al. 2018) for regression: pairs of images and labels mixed with the same weight."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def draw_mixing(count: int, alpha: float, generator: np.random.Generator) -> NDArray[np.float64]:
    """Mixing weights (B,) from Beta(alpha, alpha), folded to [0.5, 1] so that the first scan leads."""
    weights = generator.beta(alpha, alpha, size=count)
    return np.maximum(weights, 1 - weights)


def mix(first_B: Tensor, second_B: Tensor, weights_B: NDArray[np.float64]) -> Tensor:
    """weight * first + (1 - weight) * second along the first axis, for images and labels alike."""
    weights = torch.from_numpy(weights_B).to(first_B.device, first_B.dtype)
    weights = weights.view(-1, *[1] * (first_B.ndim - 1))
    return weights * first_B + (1 - weights) * second_B
