"""The base regressor f of the paper (section 2.2 and Figure 2): one 3D image in, one number out."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from study.regression.dropout import SlotDropout

Precision = Literal["float32", "bfloat16"]


class BaseRegressor(nn.Module):
    """Two 3x3x3 convolutions of 32 maps, pooling, two of 64, each block joined by its own input.

    196,418 parameters, as the paper states. Glorot-uniform weights and zero biases, as in Keras.
    Global average pooling predicts a mean over the grid, so every image must have the same shape.

    Args:
        dropout: Rate after every convolution and after the pooling layer, in [0, 1).
        precision: Precision of the convolutions; pooling and linear layer are always float32.
    """

    def __init__(self, dropout: float = 0.0, precision: Precision = "float32") -> None:
        super().__init__()
        self.precision = precision
        self.conv1 = nn.Conv3d(1, 32, 3, padding=1)
        self.conv2 = nn.Conv3d(32, 32, 3, padding=1)
        self.conv3 = nn.Conv3d(33, 64, 3, padding=1)
        self.conv4 = nn.Conv3d(64, 64, 3, padding=1)
        self.linear = nn.Linear(97, 1)
        self.dropout = SlotDropout(dropout)
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4, self.linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    @property
    def output_bias(self) -> Tensor:
        """The bias of the linear layer, (1,): what an all-zero feature vector predicts."""
        return self.linear.bias

    def forward(self, images_BCDHW: Tensor) -> Tensor:
        """(B, 1, D, H, W) to (B,), in the unit the network was trained in."""
        low = self.precision == "bfloat16"
        with torch.autocast(images_BCDHW.device.type, torch.bfloat16, enabled=low):
            x = self._convolve(self._convolve(images_BCDHW, self.conv1), self.conv2)
            pooled = functional.max_pool3d(torch.cat([x, images_BCDHW.to(x.dtype)], dim=1), 2)
            y = self._convolve(self._convolve(pooled, self.conv3), self.conv4)
            features = torch.cat([y, pooled.to(y.dtype)], dim=1)
        with torch.autocast(images_BCDHW.device.type, enabled=False):
            features_BF = self.dropout(features.to(self.linear.weight.dtype).mean(dim=(2, 3, 4)))
            predictions: Tensor = self.linear(features_BF)
            return predictions.squeeze(1)

    def _convolve(self, x: Tensor, layer: nn.Conv3d) -> Tensor:
        activated: Tensor = self.dropout(functional.relu(layer(x)))
        return activated
