"""Figure: slices of the test scans that an arm misjudged most, and a map of where it looked."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.style import styled
from analysis.words import number

PLANES = 3


@styled
def worst_figure(slices: pd.DataFrame) -> Figure:
    """A row a scan, the worst first: three slices as they are, then the same under their maps.

    Args:
        slices: Rows of worst.parquet of one cohort and arm: scan, rank, label, prediction, plane, place,
            width, height (voxels), width_mm, height_mm (of a voxel), image and map (float32 as bytes).
    """
    ranks = sorted(slices["rank"].unique())
    widths = [*(slices["width"] * slices["width_mm"]).groupby(slices["plane"], sort=False).max()]
    tallest = float((slices["height"] * slices["height_mm"]).max())
    # As wide as the slices are, next to each other at the same scale.
    height = min(2.6, 9.0 / (2 * sum(widths)) * tallest)
    figure = Figure(figsize=(9.6, (height + 0.45) * len(ranks)), layout="constrained")
    rows = figure.subplots(len(ranks), 2 * PLANES, squeeze=False, width_ratios=widths * 2)
    for axes, rank in zip(rows, ranks, strict=True):
        _scan([*axes], slices[slices["rank"] == rank])
    return figure


def _scan(axes: list[Axes], slices: pd.DataFrame) -> None:
    first = slices.iloc[0]
    images = [_array(row, "image") for _, row in slices.iterrows()]
    maps = [_array(row, "map") for _, row in slices.iterrows()]
    grey = Normalize(*np.percentile(np.concatenate([image.ravel() for image in images]), (1, 99.5)))
    most = max(float(np.abs(weights).max()) for weights in maps)
    shown = zip(slices.iterrows(), images, maps, strict=True)
    for place, ((_, row), image, weights) in enumerate(shown):
        aspect = row["height_mm"] / row["width_mm"]
        look: dict[str, Any] = {"origin": "lower", "aspect": aspect, "interpolation": "nearest"}
        for axis in (axes[place], axes[PLANES + place]):
            axis.imshow(image, cmap="gray", norm=grey, **look)
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
            axis.grid(visible=False)
        axes[place].set_xlabel(f"{row['plane']} {row['place'] + 1}", fontsize=7.5, labelpad=2)
        axes[PLANES + place].imshow(_over(weights, most), **look)
    title = f"{first['scan']}: label {number(first['label'])}, prediction {number(first['prediction'])}"
    axes[0].set_title(title, parse_math=False, fontsize=8.5)
    axes[PLANES].set_title(f"± {number(most, 2)} a voxel", fontsize=8.5, fontweight="normal")


def _over(weights: NDArray[np.float32], most: float) -> NDArray[np.float64]:
    """Red and blue (H, W, 4) that let the scan through where little weighs."""
    share = weights / (most or 1.0)
    colours = np.empty((*weights.shape, 4))
    colours[..., :3] = np.where(share[..., None] > 0, (0.84, 0.15, 0.1), (0.13, 0.44, 0.85))
    colours[..., 3] = np.sqrt(np.abs(share)) * 0.85
    return colours


def _array(row: "pd.Series", name: str) -> NDArray[np.float32]:
    """A slice (height, width)."""
    return np.frombuffer(row[name], "<f4").reshape(int(row["height"]), int(row["width"]))
