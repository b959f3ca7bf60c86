"""Files with networks of a user's own, as text."""

CONVOLUTION = """
import torch
from torch import nn


class Small(nn.Module):
    def __init__(self, dropout=0.0):
        super().__init__()
        self.conv, self.drop = nn.Conv3d(1, 4, 3, padding=1), nn.Dropout(dropout)
        self.linear = nn.Linear(4, 1)

    @property
    def output_bias(self):
        return self.linear.bias

    def forward(self, images):
        # `view` needs maps whose channels do not lie last in memory.
        maps = torch.relu(self.conv(images)).view(len(images), 4, -1)
        return self.linear(self.drop(maps.mean(dim=2))).squeeze(1)
"""

MONAI = """
from monai.networks.nets import Regressor
from torch import nn


def small(dropout=0.0):
    network = Regressor((1, 8, 8, 8), (1,), channels=(4, 8), strides=(2, 2), dropout=dropout)
    return nn.Sequential(network, nn.Flatten(0))
"""

BATCH_NORM = """
from torch import nn


def normed():
    maps = nn.Sequential(nn.Conv3d(1, 4, 3), nn.BatchNorm3d(4), nn.AdaptiveAvgPool3d(1))
    return nn.Sequential(maps, nn.Flatten(), nn.Linear(4, 1), nn.Flatten(0))
"""
