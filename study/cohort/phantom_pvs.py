"""One PVS phantom: thin bright vessels in a region like the basal ganglia, made as arrays.

The label is the number of vessels. Broad bright humps as bright as the vessels, texture, gain and
noise vary from scan to scan, so the share of bright voxels says little; what is thin and bright
tells the vessels. Intensities are in units of white matter, lengths in reference units (see
`phantom_space`).
"""

import numpy as np
from numpy.typing import NDArray

from study.cohort.phantom_space import (
    SITES,
    Floats,
    Shape,
    acquire,
    detail,
    distance,
    points_in,
    setting,
    smooth_field,
    soft,
)

_MOST_VESSELS = 8
NOMINAL_PVS = (_MOST_VESSELS / 2, 2.58)
"""Mean and SD of the label: a whole number, uniform from none to the most."""

_BRAIN_RADII = np.array([7.2, 7.4, 7.0])
_REGION_RADII = np.array([5.2, 5.2, 4.8])
_GREY = (0.2, 0.4)
_VESSEL_CONTRAST = (1.6, 1.8)
_VESSEL_RADIUS = (0.85, 0.95)
_VESSEL_LENGTH = (5.0, 5.5)
_TRIES = 8
_MOST_HUMPS = 3
_HUMP_CONTRAST = (1.0, 3.0)
_HUMP_SD = (2.0, 2.5)


def pvs_scan(
    shape: int | Shape, generator: np.random.Generator, site: int | None = None
) -> tuple[NDArray[np.int16], NDArray[np.uint8], int]:
    """Draw one scan.

    Args:
        shape: Voxels along D, H and W; the region spans about two thirds of each.
        generator: Source of every random number of this scan.
        site: Index into `SITES`, which sets gain, noise and blur; drawn when None.

    Returns:
        image_DHW (background exactly 0, brain above 0), region_mask_DHW (0 or 1) and the number of
        vessels.
    """
    shape, site, grid_3DHW, centre = setting(shape, generator, site)
    brain_DHW = distance(grid_3DHW, centre, _BRAIN_RADII + generator.uniform(-0.2, 0.2, 3)) <= 1
    region_DHW = distance(grid_3DHW, centre, _REGION_RADII + generator.uniform(-0.2, 0.2, 3))
    tissue_DHW = 1 + generator.uniform(*_GREY) * soft(1 - region_DHW, 0.4)
    tissue_DHW += 0.06 * smooth_field(shape, 1.5, generator)
    tissue_DHW += _humps(grid_3DHW, centre, generator)
    count = int(generator.integers(0, _MOST_VESSELS + 1))
    tissue_DHW += _vessels(count, grid_3DHW, centre, detail(shape), generator)
    image_DHW = acquire(tissue_DHW, brain_DHW, SITES[site], generator)
    return image_DHW, (region_DHW <= 1).astype(np.uint8), count


def _humps(grid_3DHW: Floats, centre: NDArray[np.float64], generator: np.random.Generator) -> Floats:
    """Distractors: broad, bright and smooth."""
    result_DHW = np.zeros(grid_3DHW.shape[1:], dtype=np.float32)
    count = int(generator.integers(0, _MOST_HUMPS + 1))
    for point in points_in(count, centre, 0.8 * _REGION_RADII, generator):
        squared_DHW = np.square(distance(grid_3DHW, point, generator.uniform(*_HUMP_SD, 3)))
        result_DHW += np.float32(generator.uniform(*_HUMP_CONTRAST)) * np.exp(-squared_DHW / 2)
    return result_DHW


def _vessels(
    count: int,
    grid_3DHW: Floats,
    centre: NDArray[np.float64],
    small: float,
    generator: np.random.Generator,
) -> Floats:
    """What vessels add: nearly parallel to the last axis, as far from each other as a few tries allow."""
    result_DHW = np.zeros(grid_3DHW.shape[1:], dtype=np.float32)
    contrast = generator.uniform(*_VESSEL_CONTRAST)
    for point in _apart(count, centre, _REGION_RADII * np.array([0.65, 0.65, 0.35]), generator):
        direction = np.array([*generator.normal(0, 0.1, 2), 1])
        direction = (direction / np.linalg.norm(direction)).astype(np.float32)
        half_length = generator.uniform(*_VESSEL_LENGTH) / 2
        radius = generator.uniform(*_VESSEL_RADIUS) / small
        away_DHW = _distance_to_line(grid_3DHW, point, direction, half_length)
        np.maximum(result_DHW, contrast * soft(radius - away_DHW, 0.8 / small), out=result_DHW)
    return result_DHW


def _apart(
    count: int, centre: NDArray[np.float64], radii: NDArray[np.float64], generator: np.random.Generator
) -> NDArray[np.float64]:
    """Points (count, 3); each, of several tries, the farthest from the others along the first two axes."""
    points: list[NDArray[np.float64]] = []
    for _ in range(count):
        tries = points_in(_TRIES, centre, radii, generator)
        apart = [min((np.hypot(*(new - old)[:2]) for old in points), default=0.0) for new in tries]
        points.append(tries[int(np.argmax(apart))])
    return np.array(points).reshape(count, 3)


def _distance_to_line(
    grid_3DHW: Floats, middle: NDArray[np.float64], direction: NDArray[np.float32], half_length: float
) -> Floats:
    """Distance (D, H, W) of every voxel to a piece of a straight line."""
    offset_3DHW = grid_3DHW - middle[:, None, None, None].astype(np.float32)
    along_DHW = np.clip(np.tensordot(direction, offset_3DHW, axes=1), -half_length, half_length)
    away: Floats = np.linalg.norm(offset_3DHW - direction[:, None, None, None] * along_DHW, axis=0)
    return away
