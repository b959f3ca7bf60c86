"""The test scans that an arm misjudged most: slices of each, and where its networks looked."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import nn

from study.cohort.rows import Rows
from study.regression.config import TrialConfig
from study.regression.saliency import attribution

WORST = 3
"""Scans an arm. A map costs a forward and a backward pass where a prediction costs a forward one."""

PLANES = ("sagittal", "coronal", "axial")
"""Across axis 0, 1 and 2 of a canonical scan."""


def look_at_worst(
    tables: Sequence[pd.DataFrame],
    images: Rows,
    spacings_M3: NDArray[np.float64],
    networks: Sequence[nn.Module],
    views_V34: NDArray[np.float64],
    *,
    config: TrialConfig,
    device: str,
) -> pd.DataFrame:
    """Three slices through each of the scans with the largest errors, a row a slice.

    Args:
        tables: Test predictions of one arm, a table a seed, all with the M scans of `images` in order.
        images: The M scans.
        spacings_M3: Voxel sizes in mm.
        networks: All networks whose mean the arm's prediction is.
        views_V34: The transforms that predictions average over.
        config: The arm's configuration.
        device: Where the networks lie.

    Returns:
        cohort, arm, trial, scan, rank (1 is the worst), label, prediction (mean over seeds), plane,
        place (index along the plane's axis), width and height (voxels), width_mm and height_mm (of a
        voxel), image and map (float32, little-endian, height by width; the map in label units).
    """
    cases = tables[0]
    mean_M = np.mean([table["prediction"] for table in tables], axis=0)
    errors_M = np.abs(mean_M - cases["label"].to_numpy(float))
    known = np.flatnonzero(np.isfinite(errors_M))
    worst = known[np.argsort(-errors_M[known], kind="stable")][:WORST]
    rows = []
    for rank, at in enumerate(worst, start=1):
        image_DHW = images[at : at + 1][0]
        map_DHW = attribution(networks, image_DHW, views_V34, config=config, device=device)
        case = cases.iloc[at][["cohort", "arm", "trial", "scan", "label"]].to_dict()
        case |= {"rank": rank, "prediction": mean_M[at]}
        rows += [case | view for view in _slices(image_DHW, map_DHW, spacings_M3[at])]
    return pd.DataFrame(rows)


def _slices(
    image_DHW: NDArray[np.floating], map_DHW: NDArray[np.float32], spacing: NDArray[np.float64]
) -> list[dict[str, object]]:
    """The three slices through the place whose surroundings weighed most."""
    # Smoothed: a map of single voxels is noisy, and its highest one may lie alone.
    peak = np.unravel_index(gaussian_filter(np.abs(map_DHW), 1.0, mode="constant").argmax(), map_DHW.shape)
    found = []
    for axis, plane in enumerate(PLANES):
        across, up = (other for other in range(3) if other != axis)
        place = int(peak[axis])
        found.append(
            {
                "plane": plane,
                "place": place,
                "width": image_DHW.shape[across],
                "height": image_DHW.shape[up],
                "width_mm": spacing[across],
                "height_mm": spacing[up],
                "image": _bytes(np.take(image_DHW, place, axis).T),
                "map": _bytes(np.take(map_DHW, place, axis).T),
            }
        )
    return found


def _bytes(slice_HW: NDArray[np.floating]) -> bytes:
    return np.ascontiguousarray(slice_HW, dtype="<f4").tobytes()
