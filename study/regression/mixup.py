"""Mixup for regression: pairs of images and labels mixed with the same weight.

Partners are any scans of a step (Zhang et al. 2018), or scans of similar label from the whole training
fold (C-Mixup, Yao et al. 2022), because in regression a mix of distant labels may look like neither.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def draw_mixing(count: int, alpha: float, generator: np.random.Generator) -> NDArray[np.float64]:
    """Mixing weights (B,) from Beta(alpha, alpha), folded to [0.5, 1] so that the first scan leads."""
    weights = generator.beta(alpha, alpha, size=count)
    return np.maximum(weights, 1 - weights)


def draw_partners(
    scans_B: NDArray[np.int64],
    labels_M: NDArray[np.float64],
    bandwidth: float | None,
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """A partner (B,) for each scan of a step.

    Args:
        scans_B: Positions in the training fold.
        labels_M: (M,) of the training fold.
        bandwidth: SD of the kernel over label distances, in label SDs (Yao et al. 2022, Equation 6); a scan
            may be its own partner, and is then left as it is. None permutes the step's own scans.
        generator: Source of randomness.
    """
    if bandwidth is None:
        return generator.permutation(scans_B)
    spread = float(np.std(labels_M)) or 1.0
    distances_BM = (labels_M[scans_B][:, None] - labels_M) / (bandwidth * spread)
    reached_BM = np.cumsum(np.exp(-(distances_BM**2) / 2), axis=1)
    drawn_B = generator.random(len(scans_B)) * reached_BM[:, -1]
    partners_B: NDArray[np.int64] = (reached_BM <= drawn_B[:, None]).sum(axis=1)
    return partners_B


def mix(first_B: Tensor, second_B: Tensor, weights_B: NDArray[np.float64]) -> Tensor:
    """weight * first + (1 - weight) * second along the first axis, for images and labels alike."""
    weights = torch.from_numpy(weights_B).to(first_B.device, first_B.dtype)
    weights = weights.view(-1, *[1] * (first_B.ndim - 1))
    return weights * first_B + (1 - weights) * second_B
