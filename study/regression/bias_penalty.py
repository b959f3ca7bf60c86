"""The ablation without sets: MSE plus lambda times the squared mean error over the training fold.

In expectation set-sum training minimises this objective (with lambda the mean-error weight) plus
gradient noise. Here the mean error comes from a bank of each scan's latest error, because the
squared mean over a batch alone contains MSE / b.
"""

import torch
from torch import Tensor, nn


def bias_penalty_backward(
    model: nn.Module, images: Tensor, labels_B: Tensor, bank_M: Tensor, scans_B: Tensor, weight: float
) -> float:
    """Add the gradient of MSE + weight * (mean error)^2 to `.grad`, and update the bank.

    The gradient of the squared mean error is 2 * mean error * mean of the gradients of f over the
    fold; the batch estimates the latter without bias.

    Args:
        model: (B, 1, D, H, W) -> (B,).
        images: (B, 1, D, H, W).
        labels_B: (B,).
        bank_M: (m,) latest error of each training scan, NaN before its first visit; updated in place.
        scans_B: (B,) positions of the batch in the bank.
        weight: lambda, at least 0.

    Returns:
        The objective, with the mean error taken over the scans visited so far.
    """
    errors_B: Tensor = model(images).float() - labels_B
    bank_M[scans_B] = errors_B.detach()
    mean_error = bank_M.nanmean()
    mse = errors_B.square().mean()
    torch.autograd.backward(mse + 2 * weight * mean_error * errors_B.mean())
    return float(mse.detach() + weight * mean_error.square())
