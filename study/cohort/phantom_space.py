"""What every phantom is drawn with: a grid, soft balls, smooth fields, and a scanner of some site.

Lengths are in reference units: an image spans 16 of them along each axis whatever its voxels, so
larger shapes look alike. Structures that should stay a few voxels thin are divided by `detail`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float32]
Shape = tuple[int, int, int]

SPAN = 16
_INTENSITY = 200


class Site(NamedTuple):
    """A scanner: its folder in the WMH challenge, how it images, and how its files store that."""

    folder: str
    gain: float
    noise: float
    """SD, in units of the white matter's intensity."""
    blur: float
    """SD of the point-spread, voxels of a scan of 16."""
    spacing: Shape | tuple[float, float, float]
    """mm."""


SITES = (
    Site("Utrecht", gain=1.0, noise=0.03, blur=0.45, spacing=(0.96, 0.96, 3.0)),
    Site("Singapore", gain=2.2, noise=0.045, blur=0.50, spacing=(1.0, 1.0, 3.0)),
    Site("Amsterdam/GE3T", gain=0.6, noise=0.06, blur=0.55, spacing=(0.98, 0.98, 1.2)),
)


def as_shape(shape: int | Shape) -> Shape:
    return (shape, shape, shape) if isinstance(shape, int) else shape


class Setting(NamedTuple):
    """Where a scan is drawn: its grid, its site, and where its middle lies."""

    shape: Shape
    site: int
    grid_3DHW: Floats
    centre: NDArray[np.float64]


def setting(shape: int | Shape, generator: np.random.Generator, site: int | None) -> Setting:
    """The setting of one scan; its site (an index into `SITES`) is drawn when None."""
    shape = as_shape(shape)
    site = int(generator.integers(len(SITES))) if site is None else site
    return Setting(shape, site, grid(shape), generator.uniform(-0.5, 0.5, 3))


def grid(shape: Shape) -> Floats:
    """Coordinates (3, D, H, W) of voxel centres in reference units, 0 at the middle."""
    axes = [(np.arange(side) - (side - 1) / 2) * SPAN / side for side in shape]
    return np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)


def detail(shape: Shape) -> float:
    """How much smaller, in reference units, lesions and vessels are than in a scan of 16 voxels.

    The square root of the scale: in voxels they grow with the shape, but slower.
    """
    return float(np.sqrt(np.cbrt(np.prod(shape)) / SPAN))


def distance(grid_3DHW: Floats, centre: NDArray[np.float64], radii: NDArray[np.float64]) -> Floats:
    """Distance from an ellipsoid's centre, 1 on its surface (D, H, W)."""
    scaled = (grid_3DHW - centre[:, None, None, None].astype(np.float32)) / radii[:, None, None, None]
    squared: Floats = np.square(scaled, dtype=np.float32).sum(axis=0)
    return np.sqrt(squared)


def soft(inside: Floats, edge: float) -> Floats:
    """1 well inside, 0 well outside, a linear ramp of width `edge` between: partial volume."""
    share: Floats = np.clip(0.5 + inside / edge, 0, 1)
    return share


def smooth_field(shape: Shape, sd: float, generator: np.random.Generator) -> Floats:
    """Gaussian field (D, H, W) of SD 1 that varies over about `sd` reference units."""
    noise = generator.standard_normal(shape, dtype=np.float32)
    field: Floats = ndimage.gaussian_filter(noise, sd * np.array(shape) / SPAN)
    field /= field.std()
    return field


def points_in(
    count: int,
    centre: NDArray[np.float64],
    radii: NDArray[np.float64],
    generator: np.random.Generator,
    *,
    hollow: float = 0.0,
) -> NDArray[np.float64]:
    """`count` points (count, 3), uniform in an ellipsoid without the inner `hollow` share of its volume."""
    direction = generator.standard_normal((count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    return centre + radii * direction * np.cbrt(generator.uniform(hollow, 1, (count, 1)))


def acquire(
    tissue_DHW: Floats, brain_DHW: NDArray[np.bool_], site: Site, generator: np.random.Generator
) -> NDArray[np.int16]:
    """Tissue (white matter 1) as a site images it: blur, bias, noise, gain; 0 outside the brain, else > 0."""
    shape = as_shape(tissue_DHW.shape)
    blurred = ndimage.gaussian_filter(tissue_DHW, site.blur * detail(shape))
    slope = generator.normal(0, 0.05 / 6, 3).astype(np.float32)
    bias = np.exp(np.tensordot(slope, grid(shape), axes=1))
    gain = _INTENSITY * site.gain * np.exp(generator.normal(0, 0.15))
    noise = site.noise * generator.standard_normal(shape, dtype=np.float32)
    signal = np.rint(gain * (blurred * bias + noise))
    return np.where(brain_DHW, np.clip(signal, 1, 32767), 0).astype(np.int16)
