"""Where a network looked: what each voxel adds to a prediction, by gradient times input.

For one scan I the map is I times df/dI (Shrikumar et al. 2016, "Not Just a Black Box: Learning
Important Features Through Propagating Activation Differences"; the plain gradient is Simonyan et
al. 2014). The label is additive and a blank is the zero image, so the map has a meaning here: it is
in label units, positive where the scan's difference from a blank raises the prediction. For a
network of ReLUs, maxima and means without biases, which scales with its input, the map sums to the
prediction (Euler); with biases what is missing is theirs. It costs two passes a network and view,
where occluding patches would cost hundreds.
"""

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from study.regression.augmentation import apply_transforms
from study.regression.config import TrialConfig


def attribution(
    predictors: Iterable[nn.Module],
    image_DHW: NDArray[np.floating],
    views_V34: NDArray[np.float64],
    *,
    config: TrialConfig,
    device: str = "cpu",
) -> NDArray[np.float32]:
    """Mean map (D, H, W) over networks and views, in label units a voxel, on the scan's own grid.

    Each network is put in evaluation mode: the same networks and scan give the same map.

    Args:
        predictors: (B, 1, D, H, W) -> (B,), in label units; at least one.
        image_DHW: One preprocessed scan.
        views_V34: The transforms that predictions average over; the gradient flows back through them.
        config: For the interpolation of the views.
        device: Where the predictors lie.
    """
    image_BDHW = torch.as_tensor(np.array(image_DHW, dtype=np.float32), device=device).unsqueeze(0)
    slopes = [_slope(predictor, image_BDHW, views_V34, config) for predictor in predictors]
    return np.asarray(image_DHW, dtype=np.float32) * np.mean(slopes, axis=0, dtype=np.float32)


def _slope(
    predictor: nn.Module, image_BDHW: torch.Tensor, views_V34: NDArray[np.float64], config: TrialConfig
) -> NDArray[np.float32]:
    """Gradient (D, H, W) of the mean prediction over the views; the weights' gradients stay untouched."""
    predictor.eval()
    total = torch.zeros_like(image_BDHW)
    for view_34 in views_V34:
        seen = image_BDHW.detach().requires_grad_()
        with torch.enable_grad():
            moved = apply_transforms(seen, view_34[None], config.interpolation)
            (slope,) = torch.autograd.grad(predictor(moved.unsqueeze(1)).sum(), seen)
        total += slope
    of_scan: NDArray[np.float32] = (total[0] / len(views_V34)).float().cpu().numpy()
    return of_scan
