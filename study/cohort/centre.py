"""Where the weight of an image lies, summed along its axes without copying the image to a wider type.

Integers of up to 16 bits are added a few slices at a time in 16 bits where the largest of them allows
it: that is exact, and an order of magnitude faster than converting every voxel first.
"""

import numpy as np

_SLICES = 16


def profiles(weights_DHW: np.ndarray) -> list[np.ndarray]:
    """Sums of absolute values over the other two axes: float64 (D,), (H,) and (W,), exact for integers."""
    # As they lie in memory, so that the last axis moves fastest and forwards.
    order = sorted(range(3), key=lambda axis: -abs(weights_DHW.strides[axis]))
    laid_ABC = weights_DHW[forwards(weights_DHW)].transpose(order)
    if laid_ABC.dtype.kind in "iu" and laid_ABC.dtype.itemsize <= 2:
        first_A, plane_BC = _integer_sums(laid_ABC)
    else:
        mass_ABC = np.abs(laid_ABC)
        first_A = mass_ABC.sum(axis=1, dtype=np.float64).sum(axis=1)
        plane_BC = mass_ABC.sum(axis=0, dtype=np.float64)
    along = dict(zip(order, (first_A, plane_BC.sum(axis=1), plane_BC.sum(axis=0)), strict=True))
    turn = forwards(weights_DHW)
    return [along[axis].astype(np.float64)[turn[axis]] for axis in range(3)]


def forwards(image_DHW: np.ndarray) -> tuple[slice, ...]:
    """The index that turns round every axis which runs backwards through memory."""
    return tuple(slice(None, None, -1 if step < 0 else 1) for step in image_DHW.strides)


def _magnitudes(stored_ABC: np.ndarray) -> tuple[np.ndarray, int]:
    """Absolute values as unsigned integers of the same size, and the largest of them."""
    unsigned_ABC = stored_ABC.view(f"u{stored_ABC.dtype.itemsize}")
    largest = int(unsigned_ABC.max())
    if stored_ABC.dtype.kind == "u" or largest <= np.iinfo(stored_ABC.dtype).max:
        return unsigned_ABC, largest
    # The most negative integer stays what it is; read without a sign, that is its magnitude.
    unsigned_ABC = np.abs(stored_ABC).view(unsigned_ABC.dtype)
    return unsigned_ABC, int(unsigned_ABC.max())


def _integer_sums(stored_ABC: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums over the last two axes (A,) and over the first (B, C), int64."""
    (a, b, c), (mass_ABC, largest) = stored_ABC.shape, _magnitudes(stored_ABC)
    mass_AN = mass_ABC.reshape(a, b * c)
    kind = np.uint16 if largest * _SLICES < 2**16 else np.uint32
    first_A, plane_N = np.zeros(a, np.int64), np.zeros(b * c, np.int64)
    whole = b * c // _SLICES * _SLICES
    for start in range(0, a, _SLICES):
        block_AN = mass_AN[start : start + _SLICES]
        plane_N += np.add.reduce(block_AN, axis=0, dtype=kind)
        pieces_ASN = block_AN[:, :whole].reshape(len(block_AN), _SLICES, -1)
        sums_AN = np.add.reduce(pieces_ASN, axis=1, dtype=kind), block_AN[:, whole:]
        first_A[start : start + _SLICES] = sum(part.sum(axis=1, dtype=np.int64) for part in sums_AN)
    return first_A, plane_N.reshape(b, c)
