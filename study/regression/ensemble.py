"""Several networks as one: the mean of what they predict."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Ensemble(nn.Module):
    """One forward pass of every network of an export.

    Args:
        networks: (B, 1, D, H, W) -> (B,) in label units each.
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, images_BCDHW: Tensor) -> Tensor:
        """(B, 1, D, H, W) to (B,), the mean over networks."""
        return torch.stack([network(images_BCDHW) for network in self.networks]).mean(0)
