"""Intensities on a common scale: `zscore` (foreground to median 0 and SD 1) or `unit` (to [0, 1]).

Integer voxels, as scanners write them, take a shorter way to the same numbers: the median of integers
is found in their own type, and their SD from exact sums.
"""

import math

import numpy as np

from study.badinput import BadInput

# Numbers that stay in a core's cache, and too few for a second thread.
_BLOCK = 8192


def zscore(image_DHW: np.ndarray, weight_DHW: np.ndarray | None, where: str) -> np.ndarray:
    """Foreground to median 0 and SD 1, background exactly 0.

    The region's weight is applied after the median is taken away, so that the region fades into its
    own median and not into a dark shell.

    Args:
        image_DHW: float32, or integers of up to 16 bits, which need no weight.
        weight_DHW: Weights of the region, foreground where above 0; None takes voxels other than 0.
        where: Name of the scan for error messages.

    Returns:
        float32 (D, H, W).
    """
    if weight_DHW is None and image_DHW.dtype.kind in "iu":
        return _zscore_integers(image_DHW, where)
    foreground_DHW = image_DHW != 0 if weight_DHW is None else weight_DHW > 0
    values = image_DHW[foreground_DHW]
    if values.size == 0 or values.min() == values.max():
        raise _constant(where)
    values = values - np.median(values)
    if weight_DHW is not None:
        values *= weight_DHW[foreground_DHW]
    result = np.zeros_like(image_DHW)
    result[foreground_DHW] = values / values.std(dtype=np.float64).astype(np.float32)
    return result


def unit(image_DHW: np.ndarray, weight_DHW: np.ndarray | None, where: str) -> np.ndarray:
    """The crop's smallest voxel to 0 and its largest to 1; float32 (D, H, W), arguments as `zscore`."""
    image_DHW = image_DHW.astype(np.float32, copy=False)
    weighted_DHW = image_DHW if weight_DHW is None else image_DHW * weight_DHW
    low, high = weighted_DHW.min(), weighted_DHW.max()
    if low == high:
        raise BadInput("the scan is constant", where=where, fix="Replace the scan or leave it out")
    scaled_DHW: np.ndarray = np.clip((weighted_DHW - low) / (high - low), 0, 1)
    return scaled_DHW


def _constant(where: str) -> BadInput:
    return BadInput(
        "the scan is constant within its foreground, it cannot be standardised",
        where=where,
        fix="Replace the scan or leave it out",
    )


def _zscore_integers(image_DHW: np.ndarray, where: str) -> np.ndarray:
    """The same bits as for float32, into which 16 bits fit."""
    variance = _variance(image_DHW)
    if not variance > 0:
        raise _constant(where)
    result = image_DHW.astype(np.float32)
    result -= _median(image_DHW)
    result /= np.float32(math.sqrt(variance))
    np.copyto(result, 0, where=image_DHW == 0)
    return result


def _median(image_DHW: np.ndarray) -> np.float32:
    """Of the voxels other than 0, without taking them out of the others: their places are known."""
    foreground, negative = int(np.count_nonzero(image_DHW)), int(np.count_nonzero(image_DHW < 0))
    middle = foreground // 2
    place = middle if middle < negative else middle + image_DHW.size - foreground
    parted = np.partition(image_DHW, place, axis=None)
    upper, below = np.float32(parted[place]), parted[:place]
    if foreground % 2:
        return upper
    lower = below.max()
    return (np.float32(lower if lower != 0 else below[below < 0].max()) + upper) / np.float32(2)


def _variance(image_DHW: np.ndarray) -> float:
    """Of the voxels other than 0, which add nothing to these sums of integers, exact up to 2^53; nan
    without any."""
    count, squares = int(np.count_nonzero(image_DHW)), 0.0
    voxels, total = image_DHW.ravel(), int(image_DHW.sum(dtype=np.int64))
    for start in range(0, voxels.size, _BLOCK):
        wide = voxels[start : start + _BLOCK].astype(np.float64)
        squares += float(wide @ wide)
    return (count * int(squares) - total**2) / count**2 if count else math.nan
