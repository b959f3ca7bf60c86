"""From a scan as it lies on disk to the network's input: one fixed grid, intensities standardised.

The order is: resample to a common spacing (if asked), choose the crop (around the intensity-weighted
centre of mass, or around a region mask), crop or zero pad, standardise intensities. Everything is
single-threaded numpy and scipy, so a scan gives the same bits in any process.
"""

from math import prod
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from study.badinput import BadInput
from study.cohort.centre import forwards, profiles
from study.cohort.intensities import unit, zscore
from study.cohort.lesions import lesion_voxels
from study.cohort.volume import MAX_VOXELS, Volume, read_stored

Side = Annotated[int, Field(ge=4, le=1024)]
Millimetres = Annotated[float, Field(gt=0, allow_inf_nan=False)]

_MASK_SD = 2.0
# Below this share the smoothed mask is taken as background.
_MASK_EDGE = 0.01


class Preprocessing(BaseModel):
    """What is done to every scan of a cohort, and later to every scan predicted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shape: tuple[Side, Side, Side]
    """Voxels along each canonical axis after crop and zero pad."""
    region: Literal["brain", "mask"] = "brain"
    """`brain`: crop around the intensity-weighted centre of mass (the paper's way for WMH); `mask`: apply
    the region mask, smoothed with a Gaussian of 2 voxels, and crop around it (its way for PVS)."""
    intensities: Literal["zscore", "unit"] = "zscore"
    """`zscore`: foreground to median 0 and SD 1, background 0; `unit`: to [0, 1], as published."""
    spacing: tuple[Millimetres, Millimetres, Millimetres] | None = None
    """Resample to this spacing in mm before the crop; None keeps each scan's own voxels."""
    dtype: Literal["float32", "float16"] = "float32"


class Preprocessed(NamedTuple):
    """One scan on the network's grid."""

    image_DHW: np.ndarray
    lesion_share_lost: float
    """Share of the lesion mask's voxels outside the crop; nan without a mask or without lesions."""
    affine: np.ndarray
    """Voxel to world (4, 4) of the new grid."""
    shape: tuple[int, ...]
    """Voxels of the scan as it was read, along each canonical axis."""
    spacing: np.ndarray
    """Of the scan as it was read, in mm (3,)."""


def preprocess_files(
    image: Path, mask: Path | None, lesion_mask: Path | None, spec: Preprocessing
) -> Preprocessed:
    """`preprocess` for files; the errors name them.

    Raises:
        BadInput: A file cannot be read, or the scan cannot be preprocessed.
    """
    region = read_stored(mask) if mask and spec.region == "mask" else None
    lesion = read_stored(lesion_mask) if lesion_mask else None
    return preprocess(read_stored(image), region, lesion, spec, where=str(image))


def preprocess(
    volume: Volume, mask: Volume | None, lesion: Volume | None, spec: Preprocessing, *, where: str = ""
) -> Preprocessed:
    """Crop, pad and standardise one scan.

    Args:
        volume: The scan in canonical orientation, as `read_stored` or `read_volume` gives it.
        mask: Region of interest (non-zero voxels), needed by `region: mask`, else unused.
        lesion: Lesion mask (voxels equal to 1), only to count what the crop loses.
        spec: What to do.
        where: Name of the scan for error messages.

    Raises:
        BadInput: The scan is constant, a mask is missing, empty or on another grid.
    """
    for other in (mask, lesion):
        if other is not None:
            _check_grid(volume, other, where)
    ratio = _ratio(volume, spec, where)
    image_DHW = _resample(volume.data, ratio)
    weight_DHW = _region_weight(mask, ratio, where) if spec.region == "mask" else None
    start = _start(image_DHW if weight_DHW is None else weight_DHW, spec.shape, where)
    cropped_DHW = np.ascontiguousarray(crop(image_DHW, start, spec.shape))
    if weight_DHW is not None:
        cropped_DHW = cropped_DHW.astype(np.float32, copy=False)
        weight_DHW = crop(_smooth(weight_DHW), start, spec.shape)
    with np.errstate(all="ignore"):
        scaled_DHW = (zscore if spec.intensities == "zscore" else unit)(cropped_DHW, weight_DHW, where)
    if cropped_DHW.dtype.kind == "f" and not np.isfinite(scaled_DHW).all():
        raise BadInput("intensities overflow when standardised", where=where, fix="Rescale the scan")
    return Preprocessed(
        scaled_DHW.astype(spec.dtype, copy=False),
        _share_lost(lesion, ratio, start, spec.shape, where),
        _moved_affine(volume.affine, ratio, start),
        volume.data.shape,
        volume.spacing,
    )


def crop(image_DHW: np.ndarray, start: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """The box of `shape` whose first voxel is `start` (3,); what lies outside the image is zero."""
    # Laid out like the image, whose rows are then copied as they lie.
    result = np.zeros_like(image_DHW, shape=shape)[forwards(image_DHW)]
    low = np.maximum(start, 0)
    high = np.minimum(start + shape, image_DHW.shape)
    if (low < high).all():
        source = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        target = tuple(slice(a, b) for a, b in zip(low - start, high - start, strict=True))
        result[target] = image_DHW[source]
    return result


def _check_grid(volume: Volume, other: Volume, where: str) -> None:
    """A mask lies on its scan's grid: same shape, corners within half a voxel."""
    if volume.data.shape != other.data.shape:
        raise BadInput(
            f"a mask's shape {other.data.shape} differs from the scan's {volume.data.shape}",
            where=where,
            fix="Use the mask that was drawn on this scan",
        )
    corners = np.array([[0, 0, 0, 1], [*volume.data.shape, 1]]).T
    apart = np.linalg.norm((volume.affine - other.affine) @ corners, axis=0).max()
    if apart > 0.5 * volume.spacing.min():
        raise BadInput(
            f"a mask's affine puts it {apart:.1f} mm away from the scan",
            where=where,
            fix="Correct the header of the mask or of the scan",
        )


def _ratio(volume: Volume, spec: Preprocessing, where: str) -> np.ndarray:
    """New over old spacing (3,); exactly 1 where they agree to a thousandth."""
    if spec.spacing is None:
        return np.ones(3)
    ratio: np.ndarray = np.array(spec.spacing) / volume.spacing
    ratio[np.abs(ratio - 1) < 1e-3] = 1
    # Axis by axis at least one voxel: a huge axis is not made up for by tiny ones.
    if prod(np.maximum(1, volume.data.shape / ratio)) > MAX_VOXELS:
        raise BadInput(
            f"`spacing` {spec.spacing} would need more than {MAX_VOXELS} voxels",
            where=where,
            fix="Choose a coarser spacing",
        )
    return ratio


def _resample(image_DHW: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """Linear resampling that keeps the field of view; the image itself when the spacing stays."""
    if (ratio == 1).all():
        return image_DHW
    from scipy import ndimage  # workers, who only open what was preprocessed, need none of it

    image_DHW = np.ascontiguousarray(image_DHW, dtype=np.float32)
    shape = np.maximum(1, np.rint(image_DHW.shape / ratio)).astype(int)
    resampled: np.ndarray = ndimage.affine_transform(
        image_DHW, ratio, offset=(ratio - 1) / 2, output_shape=tuple(shape), order=1, mode="nearest"
    )
    return resampled


def _region_weight(mask: Volume | None, ratio: np.ndarray, where: str) -> np.ndarray:
    """The region as zeros and ones (D, H, W)."""
    if mask is None:
        raise BadInput(
            "`region: mask` needs a region mask, this scan has none",
            where=where,
            fix="Add a `mask` column to the manifest, or set `region: brain`",
        )
    region_DHW = (_resample((mask.data != 0).astype(np.float32, order="C"), ratio) >= 0.5).astype(np.float32)
    if not region_DHW.any():
        raise BadInput("the region mask is empty", where=where, fix="Draw it, or leave the scan out")
    return region_DHW


def _smooth(region_DHW: np.ndarray) -> np.ndarray:
    from scipy import ndimage

    weight_DHW: np.ndarray = ndimage.gaussian_filter(region_DHW, _MASK_SD, mode="constant")
    weight_DHW[weight_DHW <= _MASK_EDGE] = 0
    return weight_DHW


def _start(weights_DHW: np.ndarray, shape: tuple[int, int, int], where: str) -> np.ndarray:
    """First voxel (3,) of the box centred on the weights' centre of mass."""
    centre = np.empty(3)
    # Of absolute values: a scan with negative intensities still has a centre.
    for axis, profile in enumerate(profiles(weights_DHW)):
        if profile.sum() == 0:
            raise BadInput("all voxels are zero", where=where, fix="Replace the scan or leave it out")
        centre[axis] = profile @ np.arange(profile.size) / profile.sum()
    # Rounding to a ten thousandth first keeps a shifted scan's crop from jumping at halves.
    return np.floor(np.round(centre, 4) - (np.array(shape) - 1) / 2 + 0.5).astype(int)


def _share_lost(
    lesion: Volume | None, ratio: np.ndarray, start: np.ndarray, shape: tuple[int, int, int], where: str
) -> float:
    """Share of lesion voxels whose centres fall outside the box; exact, whatever the resampling."""
    if lesion is None:
        return float("nan")
    voxels = np.argwhere(lesion_voxels(lesion, where))
    if len(voxels) == 0:
        return float("nan")
    inside = (voxels + 0.5) / ratio - start
    return 1 - float(((inside >= 0) & (inside < shape)).all(axis=1).mean())


def _moved_affine(affine: np.ndarray, ratio: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Voxel to world of the crop: new voxel i lies at old voxel ratio (i + start) + (ratio - 1) / 2."""
    to_old = np.diag([*ratio, 1.0])
    to_old[:3, 3] = ratio * start + (ratio - 1) / 2
    moved: np.ndarray = affine @ to_old
    return moved
