"""What a user would write instead: the network along Figure 2, one library's augmentation a scan."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

ROTATION, TRANSLATION = 0.2, 2.0
"""Radians and voxels, as in the paper."""


class PlainRegressor(nn.Module):
    """The paper's network, line by line, default layout, float32."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv3d(1, 32, 3, padding=1), nn.Conv3d(32, 32, 3, padding=1)
        self.conv3, self.conv4 = nn.Conv3d(33, 64, 3, padding=1), nn.Conv3d(64, 64, 3, padding=1)
        self.linear = nn.Linear(97, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, D, H, W) -> (B,)."""
        y = functional.relu(self.conv2(functional.relu(self.conv1(x))))
        y = functional.max_pool3d(torch.cat([y, x], dim=1), 2)
        z = functional.relu(self.conv4(functional.relu(self.conv3(y))))
        features: Tensor = torch.cat([z, y], dim=1).mean(dim=(2, 3, 4))
        prediction: Tensor = self.linear(features)
        return prediction.squeeze(1)


def monai_augmentation() -> Callable[[Tensor], Tensor]:
    """Flips and one affine resampling of a (1, D, H, W) scan."""
    import monai.transforms as m

    return m.Compose(
        [
            *(m.RandFlip(prob=0.5, spatial_axis=axis) for axis in range(3)),
            m.RandAffine(
                prob=1.0,
                rotate_range=(ROTATION,) * 3,
                translate_range=(TRANSLATION,) * 3,
                mode="bilinear",
                padding_mode="zeros",
            ),
        ]
    )


def torchio_augmentation() -> Callable[[Tensor], Tensor]:
    """The same with the other library."""
    import torchio

    flip = torchio.RandomFlip(axes=(0, 1, 2), flip_probability=0.5)
    move = torchio.RandomAffine(
        scales=0, degrees=float(np.degrees(ROTATION)), translation=TRANSLATION, default_pad_value=0
    )
    composed: Callable[[Tensor], Tensor] = torchio.Compose([flip, move])
    return composed


AUGMENTATIONS = {"MONAI": monai_augmentation, "TorchIO": torchio_augmentation}


def plain_step(name: str, images_MDHW: np.ndarray, labels_M: np.ndarray, n: int) -> Callable[[], float]:
    """One training step on a random set of n scans, its branches replicated in one batch."""
    augment = AUGMENTATIONS[name]()
    network = PlainRegressor()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    labels = torch.from_numpy(labels_M).float()
    scans = torch.from_numpy(images_MDHW)
    generator = np.random.default_rng(0)

    def step() -> float:
        chosen = generator.integers(len(scans), size=n)
        batch = torch.stack([torch.as_tensor(augment(scans[scan][None])) for scan in chosen])
        optimiser.zero_grad()
        loss = functional.mse_loss(network(batch).sum(), labels[chosen].sum())
        loss.backward()
        optimiser.step()
        return float(loss.detach())

    return step
