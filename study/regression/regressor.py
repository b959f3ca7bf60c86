"""The base regressor f of the paper (section 2.2 and Figure 2): one 3D image in, one number out."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from study.regression.dropout import SlotDropout
from study.regression.pooling import mean_rectified, pool_rectified
from study.regression.single_map import convolve_single_map
from study.regression.sparse_slope import convolve_for_pooling

Precision = Literal["float32", "bfloat16"]

_SLOW_UP_TO = 20480
"""torch leaves its fast convolutions for a single image with at most so many maps times D times H."""


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
        if self._is_slow_alone(images_BCDHW):
            return self._predict(images_BCDHW.expand(2, -1, -1, -1, -1))[:1]
        return self._predict(images_BCDHW)

    def _is_slow_alone(self, images_BCDHW: Tensor) -> bool:
        """Whether torch would convolve a single scan by its slow path: two then cost half as much as one."""
        maps, depth, height = self.conv2.out_channels, *images_BCDHW.shape[2:4]
        return (
            # A graph is the same for any number of scans.
            not torch.compiler.is_compiling()
            and len(images_BCDHW) == 1
            and images_BCDHW.device.type == "cpu"
            and self._dtype == torch.float32
            and maps * (depth // 2) * (height // 2) <= _SLOW_UP_TO
        )

    def _predict(self, images_BCDHW: Tensor) -> Tensor:
        """Where Figure 2 joins maps and then pools, averages or convolves them, here each part is
        pooled, averaged or convolved by itself: the same function without the copies. So is pooling
        or dropping out before the ReLU, which commutes with a maximum and with a mask."""
        images = images_BCDHW.to(self._dtype)
        pooled_images = functional.max_pool3d(images, 2)
        x = self.dropout(convolve_single_map(images, *self._cast(self.conv1)))
        x = self.dropout(convolve_for_pooling(x, *self._cast(self.conv2)))
        pooled, of_pooled = pool_rectified(x)
        weight, bias = self._cast(self.conv3)
        # Split as they lie in memory: their gradient then lies as they do, and is not copied.
        parts = torch.split(weight.movedim(1, -1), [weight.shape[1] - 1, 1], dim=-1)
        of_maps, of_image = (part.movedim(-1, 1) for part in parts)
        y = functional.conv3d(pooled, of_maps, bias, padding=1)
        y = self.dropout(convolve_single_map(pooled_images, of_image, onto=y))
        of_y = mean_rectified(self.dropout(functional.conv3d(y, *self._cast(self.conv4), padding=1)))
        of_images = pooled_images.mean(dim=(2, 3, 4), dtype=of_y.dtype)
        predictions: Tensor = self.linear(self.dropout(torch.cat([of_y, of_pooled, of_images], dim=1)))
        return predictions.squeeze(1)

    @property
    def _dtype(self) -> torch.dtype:
        return torch.bfloat16 if self.precision == "bfloat16" else self.linear.weight.dtype

    def _cast(self, layer: nn.Conv3d) -> tuple[Tensor, Tensor | None]:
        bias = layer.bias
        return layer.weight.to(self._dtype), None if bias is None else bias.to(self._dtype)
