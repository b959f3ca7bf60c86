"""One WMH phantom: a skull-stripped, FLAIR-like brain with bright lesions, made as arrays.

The cortical rim is almost as bright as the lesions and varies in thickness, brightness and folding
from scan to scan, and so do ventricles, gain, bias, blur and noise: counting bright voxels measures the
rim. Local shape (a blob inside white matter against a shell beside the background) tells lesions.
Intensities are in units of white matter, lengths in reference units (see `phantom_space`).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from study.cohort.phantom_space import (
    SITES,
    SPAN,
    Floats,
    Shape,
    acquire,
    as_shape,
    detail,
    distance,
    points_in,
    setting,
    smooth_field,
    soft,
)

LESION, OTHER = 1, 2

_RADII = np.array([5.0, 5.2, 4.9])
_RIM_THICKNESS = (0.6, 1.4)
_RIM_CONTRAST = (0.8, 1.2)
_LESION_CONTRAST = (1.4, 1.6)
_LESION_RADIUS = (1.2, 2.1)
_MOST_LESIONS = 8
_OTHER_RADIUS = (0.9, 1.5)
_DARK = 0.2


def wmh_scan(
    shape: int | Shape, generator: np.random.Generator, site: int | None = None
) -> tuple[NDArray[np.int16], NDArray[np.uint8], int]:
    """Draw one scan.

    Args:
        shape: Voxels along D, H and W; the brain spans about two thirds of each.
        generator: Source of every random number of this scan.
        site: Index into `SITES`, which sets gain, noise and blur; drawn when None.

    Returns:
        image_DHW (background exactly 0, brain above 0), mask_DHW (1: lesion, whose voxels are the label;
        2: other pathology; else 0) and the site.
    """
    shape, site, grid_3DHW, centre = setting(shape, generator, site)
    radii = _RADII + generator.uniform(-0.25, 0.25, 3)
    outline_DHW = distance(grid_3DHW, centre, radii)
    brain_DHW = outline_DHW <= 1
    tissue_DHW = 1 + _rim(radii.mean() * (1 - outline_DHW), generator)
    _darken_ventricles(tissue_DHW, grid_3DHW, centre, generator)
    mask_DHW, small = np.zeros(shape, dtype=np.uint8), detail(shape)
    matter = _Matter(tissue_DHW, mask_DHW, grid_3DHW, centre, radii - 1 - 1.6 / small, small)
    _add_other(matter, generator)
    _add_lesions(matter, generator)
    mask_DHW[~brain_DHW] = 0
    return acquire(tissue_DHW, brain_DHW, SITES[site], generator), mask_DHW, site


def nominal_wmh(shape: int | Shape) -> tuple[float, float]:
    """Mean and SD of the label over many scans of a shape, in voxels, to within a third."""
    # Lesions grow with the square root of the scale, and so does their number.
    scale = float(np.prod(as_shape(shape))) / SPAN**3 / detail(as_shape(shape)) ** 2
    return 63.0 * scale, 37.0 * scale


def _rim(depth_DHW: Floats, generator: np.random.Generator) -> Floats:
    """What cortical grey adds to white matter; 0 deeper than a folded, uneven thickness."""
    folds_DHW = 0.25 * smooth_field(as_shape(depth_DHW.shape), 1.0, generator)
    thickness, contrast = generator.uniform(*_RIM_THICKNESS), generator.uniform(*_RIM_CONTRAST)
    return contrast * soft(thickness - depth_DHW - folds_DHW, 0.7)


def _darken_ventricles(
    tissue_DHW: Floats, grid_3DHW: Floats, centre: NDArray[np.float64], generator: np.random.Generator
) -> None:
    """Two lateral ventricles of cerebrospinal fluid, of one size that varies between scans."""
    size = generator.uniform(0.7, 1.3)
    for side in (-1, 1):
        offset = np.array([side * 1.2, 0, 0]) + generator.uniform([-0.2, -0.5, -0.5], [0.2, 0.5, 0.5])
        inside_DHW = 1 - distance(grid_3DHW, centre + offset, size * np.array([0.8, 1.8, 1.2]))
        _blend(tissue_DHW, soft(inside_DHW, 0.6), _DARK)


class _Matter(NamedTuple):
    """The white matter that blobs are put into."""

    tissue_DHW: Floats
    mask_DHW: NDArray[np.uint8]
    grid_3DHW: Floats
    centre: NDArray[np.float64]
    reach: NDArray[np.float64]
    """Radii of the ellipsoid that holds the blobs' centres."""
    small: float
    """How much smaller than in a scan of 16 voxels blobs are."""

    def outline(self, point: NDArray[np.float64], radii: NDArray[np.float64]) -> tuple[Floats, Floats]:
        """Of a blob: distance from its centre, 1 on its surface, and its share of every voxel."""
        outline_DHW = distance(self.grid_3DHW, point, radii)
        return outline_DHW, soft(radii.mean() * (1 - outline_DHW), 0.7 / self.small)


def _add_other(matter: _Matter, generator: np.random.Generator) -> None:
    """In three scans of ten an old infarct, dark like fluid: in the mask, but not in the label."""
    count = int(generator.random() < 0.3)
    for point in points_in(count, matter.centre, matter.reach, generator, hollow=0.3):
        radii = generator.uniform(*_OTHER_RADIUS, 3) / matter.small
        outline_DHW, share_DHW = matter.outline(point, radii)
        _blend(matter.tissue_DHW, share_DHW, _DARK)
        matter.mask_DHW[outline_DHW <= 1] = OTHER


def _add_lesions(matter: _Matter, generator: np.random.Generator) -> None:
    """Bright blobs in white matter, their number uniform from none to the most."""
    count = int(generator.integers(0, round(_MOST_LESIONS * matter.small) + 1))
    for point in points_in(count, matter.centre, matter.reach, generator, hollow=0.15):
        radii = generator.uniform(*_LESION_RADIUS) * generator.uniform(0.9, 1.1, 3) / matter.small
        bright = 1 + generator.uniform(*_LESION_CONTRAST)
        outline_DHW, share_DHW = matter.outline(point, radii)
        blended_DHW = matter.tissue_DHW.copy()
        _blend(blended_DHW, share_DHW, bright)
        np.maximum(matter.tissue_DHW, blended_DHW, out=matter.tissue_DHW)
        matter.mask_DHW[outline_DHW <= 1] = LESION


def _blend(tissue_DHW: Floats, share_DHW: Floats, intensity: float) -> None:
    tissue_DHW += share_DHW * (intensity - tissue_DHW)
