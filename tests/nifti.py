"""Small real NIfTI files for the tests."""

from pathlib import Path

import nibabel as nib
import numpy as np


def save(path: Path, data: np.ndarray, affine: np.ndarray | None = None, **header: float) -> Path:
    """Write an array as NIfTI, scaled where `slope` and `inter` are given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(data, np.eye(4) if affine is None else affine)
    if header:
        image.header.set_slope_inter(**header)
    nib.save(image, path)
    return path


def brain(seed: int = 0, shape: tuple[int, int, int] = (12, 14, 10)) -> np.ndarray:
    """A positive block of noise in a field of zeros."""
    rng = np.random.default_rng(seed)
    data = np.zeros(shape, dtype=np.float32)
    inner = tuple(slice(2, side - 2) for side in shape)
    data[inner] = rng.uniform(50, 150, tuple(side - 4 for side in shape))
    return data


def lesions(count: int, shape: tuple[int, int, int] = (12, 14, 10)) -> np.ndarray:
    """A mask with `count` lesion voxels and three of other pathology, which never count."""
    mask = np.zeros(shape, dtype=np.uint8)
    mask[3:-3, 3:-3, 3:-3].flat[: count + 3] = 2
    inner = mask[3:-3, 3:-3, 3:-3].copy()
    inner.flat[:count] = 1
    mask[3:-3, 3:-3, 3:-3] = inner
    return mask


def wmh_scan(folder: Path, seed: int, count: int) -> None:
    """One scan in the challenge's layout."""
    save(folder / "pre" / "FLAIR.nii.gz", brain(seed))
    save(folder / "wmh.nii.gz", lesions(count))


def wmh_cohort(root: Path) -> Path:
    """Six scans of three sites with all the layout's oddities."""
    folders = (
        "Utrecht/0",
        "Utrecht/2",
        "Singapore/50",
        "Amsterdam/GE3T/100",
        "Amsterdam/GE3T/101",
        "Odd site ./7 .",
    )
    for seed, folder in enumerate(folders):
        wmh_scan(root / folder, seed, 5 * seed + 1)
    return root
