"""The harness that a user would write: Ray Tune with a function trainable, MONAI, plain PyTorch.

Each trial starts a process of its own, reads the NIfTI files, and trains every fold in float32 with
all slots of a set in one pass (blanks too, masked afterwards). It is a good one: scans are read and
cropped once a trial and kept, and neither checkpoints nor averaged weights cost it anything.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ray import tune
from ray.tune.search.optuna import OptunaSearch
from torch import Tensor, nn
from torch.nn import functional


class Network(nn.Module):
    """The regressor of the paper's Figure 2, written down as it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv3d(1, 32, 3, padding=1)
        self.second = nn.Conv3d(32, 32, 3, padding=1)
        self.third = nn.Conv3d(33, 64, 3, padding=1)
        self.fourth = nn.Conv3d(64, 64, 3, padding=1)
        self.last = nn.Linear(97, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 1, D, H, W) to (B,)."""
        x = functional.relu(self.second(functional.relu(self.first(images))))
        x = functional.max_pool3d(torch.cat([images, x], 1), 2)
        y = functional.relu(self.fourth(functional.relu(self.third(x))))
        prediction: Tensor = self.last(torch.cat([x, y], 1).mean((2, 3, 4))).squeeze(1)
        return prediction


def read_scans(files: Sequence[str], side: int) -> list[Tensor]:
    """Each (1, D, H, W): cropped around the centre, foreground to mean 0 and SD 1."""
    from monai.transforms import CenterSpatialCrop, Compose, LoadImage, NormalizeIntensity

    steps = [LoadImage(ensure_channel_first=True), CenterSpatialCrop(side), NormalizeIntensity(nonzero=True)]
    return list(map(Compose(steps), files))


def augmentation(rotation: float, translation: float) -> Any:  # noqa: ANN401
    """Flips in x, y and z, then one resampling."""
    from monai.transforms import Compose, RandAffine, RandFlip

    flips = [RandFlip(prob=0.5, spatial_axis=axis) for axis in range(3)]
    affine = RandAffine(
        prob=1, rotate_range=[rotation] * 3, translate_range=[translation] * 3, padding_mode="zeros"
    )
    return Compose([*flips, affine])


def fixed_views(views: int, rotation: float, translation: float) -> list[Any]:
    """Transforms that every prediction averages over."""
    from monai.transforms import Affine

    rng = np.random.default_rng(0)
    return [
        Affine(
            rotate_params=list(rng.uniform(-rotation, rotation, 3)),
            translate_params=list(rng.uniform(-translation, translation, 3)),
            padding_mode="zeros",
            image_only=True,
        )
        for _ in range(views)
    ]


def train_epoch(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    scans: Sequence[Tensor],
    labels: np.ndarray,
    config: dict[str, Any],
    augment: Any,  # noqa: ANN401
    rng: np.random.Generator,
    left: int,
) -> int:
    """One pass over the training scans in sets of n, at most `left` presentations; how many it took."""
    n, m, seen = config["n"], len(scans), 0
    order = rng.integers(m, size=-(-m // n) * n) if config["replacement"] else rng.permutation(m)
    order = np.append(order, np.full(-len(order) % n, -1)).reshape(-1, n)
    order[rng.random(order.shape) < config["p"]] = -1
    count = max(1, -(-config["scans_per_step"] // n))
    network.train()
    for start in range(0, len(order), count):
        if seen >= left:
            break
        slots = order[start : start + count]
        blank = torch.zeros_like(scans[0])
        images = torch.stack([augment(scans[slot]) if slot >= 0 else blank for slot in slots.ravel()])
        present = torch.from_numpy(slots >= 0).float()
        sums = torch.from_numpy(np.where(slots >= 0, labels[slots], 0).sum(1)).float()
        optimiser.zero_grad()
        predicted = (network(images.as_tensor()).reshape(slots.shape) * present).sum(1)
        torch.autograd.backward(functional.mse_loss(predicted, sums))
        optimiser.step()
        seen += int((slots >= 0).sum())
    return seen


def predict(network: nn.Module, scans: Sequence[Tensor], views: Sequence[Any]) -> np.ndarray:
    """(M,), the mean over the views."""
    network.eval()
    with torch.inference_mode():
        seen = [torch.stack([view(scan) for scan in scans]).as_tensor() for view in views]
        return torch.stack([network(images) for images in seen]).mean(0).numpy()


def trial(config: dict[str, Any], study: dict[str, Any]) -> None:
    """One configuration on every fold, reporting the pooled error."""
    torch.set_num_threads(1)
    scans, labels = read_scans(study["files"], study["side"]), np.array(study["labels"])
    augment = augmentation(study["rotation"], study["translation"])
    views = fixed_views(study["views"], study["rotation"], study["translation"])
    states = []
    for train, _ in study["folds"]:
        torch.manual_seed(0)
        network = Network()
        optimiser = torch.optim.Adam(network.parameters(), lr=config["learning_rate"])
        scale = labels[train].std()
        nn.init.constant_(network.last.bias, labels[train].mean() / scale)
        states.append((network, optimiser, scale, np.random.default_rng(0), [0]))
    for report in range(1, study["reports"] + 1):
        mark, oof = study["presentations"] * report // study["reports"], np.zeros(len(labels))
        for (train, held_out), (network, optimiser, scale, rng, seen) in zip(
            study["folds"], states, strict=True
        ):
            chosen = [scans[row] for row in train]
            while seen[0] < mark:
                left = mark - seen[0]
                seen[0] += train_epoch(
                    network, optimiser, chosen, labels[train] / scale, config, augment, rng, left
                )
            oof[held_out] = predict(network, [scans[row] for row in held_out], views) * scale
        tune.report({"mse": float(np.mean((oof - labels) ** 2))})


def run(study: dict[str, Any], points: list[dict[str, Any]], storage: Path) -> None:
    """Search as many trials as there are points, these first, two at a time, no actor reused."""
    space = {
        "n": tune.choice([2, 3, 4, 6, 8]),
        "p": tune.uniform(0.0, 0.5),
        "replacement": tune.choice([False, True]),
        "learning_rate": tune.loguniform(5e-4, 5e-3),
        "scans_per_step": tune.choice([4, 8]),
    }
    tuner = tune.Tuner(
        tune.with_resources(partial(trial, study=study), {"cpu": 1}),
        param_space=space,
        tune_config=tune.TuneConfig(
            metric="mse",
            mode="min",
            search_alg=OptunaSearch(points_to_evaluate=points),
            num_samples=len(points),
            max_concurrent_trials=2,
        ),
        run_config=tune.RunConfig(name="peer", storage_path=str(storage), verbose=0),
    )
    results = tuner.fit()
    if results.errors:
        raise results.errors[0]
