"""A label counted from a lesion mask: voxels equal to 1, their volume, or connected components."""

from pathlib import Path
from typing import get_args

import numpy as np

from study.badinput import BadInput
from study.cohort.scan import Quantity
from study.cohort.volume import Volume, read_stored


def count_lesions(path: Path, quantity: Quantity) -> float:
    """The label that a lesion mask file gives.

    Args:
        path: NIfTI mask; 1 is lesion, 0 background, 2 other pathology, which never counts.
        quantity: `voxels`, `mm3` (voxels times the volume of one), or `components` (26-connected).

    Raises:
        BadInput: The file is not a readable mask.
    """
    mask = read_stored(path)
    lesion_DHW = lesion_voxels(mask, str(path))
    if quantity == "components":
        from scipy import ndimage  # a sixth of a second to import

        return float(ndimage.label(lesion_DHW, structure=np.ones((3, 3, 3)))[1])
    voxels = float(lesion_DHW.sum())
    return voxels * float(abs(np.linalg.det(mask.affine[:3, :3]))) if quantity == "mm3" else voxels


def lesion_voxels(mask: Volume, where: str) -> np.ndarray:
    """Boolean (D, H, W), true where the mask equals 1.

    Raises:
        BadInput: The mask holds fractions, or values but neither 1 nor 2 (such as 255).
    """
    whole_DHW = np.rint(mask.data) if mask.data.dtype.kind == "f" else mask.data
    if whole_DHW is not mask.data and np.abs(mask.data - whole_DHW).max() > 1e-3:
        raise BadInput(
            "a lesion mask must hold whole numbers, this one holds fractions",
            where=where,
            fix="Use the original mask, or resample it with nearest neighbours",
        )
    lesion_DHW: np.ndarray = whole_DHW == 1
    if not lesion_DHW.any() and whole_DHW.any() and not (whole_DHW == 2).any():
        raise BadInput(
            f"lesions are voxels equal to 1, this mask holds only 0 and {whole_DHW.max():g}",
            where=where,
            fix="Set lesion voxels to 1",
        )
    return lesion_DHW


def as_quantity(label: str) -> Quantity:
    """`label` as one of the quantities.

    Raises:
        BadInput: It is none of them.
    """
    quantities: tuple[Quantity, ...] = get_args(Quantity)
    for quantity in quantities:
        if label == quantity:
            return quantity
    raise BadInput(
        f"`label` must be one of auto, {', '.join(quantities)}, got {label!r}",
        where="label",
        fix="Choose one of them",
    )
