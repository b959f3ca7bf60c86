"""One NIfTI file, read with suspicion: a finite 3D float32 array in canonical (RAS) orientation.

Sizes are checked against the header and the file's length before anything is allocated, so that
a damaged or hostile header costs an error message and not the machine's memory.
"""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, cast

import nibabel
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.filebasedimages import ImageFileError
from nibabel.imageglobals import LoggingOutputSuppressor
from nibabel.spatialimages import HeaderDataError

from study.badinput import BadInput

# nibabel is typed only in part.
nib: Any = nibabel

MAX_VOXELS = 2**28
# Deflate cannot compress better than 1032 to 1.
_GZIP_RATIO = 1032
_READ_ERRORS = (
    ImageFileError,
    HeaderDataError,
    OSError,
    EOFError,
    ValueError,
    OverflowError,
    zlib.error,
    np.linalg.LinAlgError,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Volume:
    """A 3D image: `data` float32 (D, H, W), finite; `spacing` in mm (3,); `affine` voxel to world (4, 4)."""

    data: np.ndarray
    spacing: np.ndarray
    affine: np.ndarray


def read_volume(path: Path) -> Volume:
    """Read one scan or mask.

    Args:
        path: A `.nii` or `.nii.gz` file of any real number type, scaled or not, 3D, or 4D with a
            single volume.

    Raises:
        BadInput: The file is missing, damaged, not NIfTI, not 3D, of absurd size, or not finite.
    """
    with _refusing(path):
        header_only = _open(path)
        _check_size(header_only, path)
        # Read to the end rather than through nibabel's proxy: only the end of a gzip file has its checksum.
        image = type(header_only).from_bytes(_content(path, header_only))
        return _canonical(np.asarray(image.dataobj, dtype=np.float32), image.affine, path)


def read_grid(path: Path) -> tuple[tuple[int, ...], np.ndarray]:
    """Shape (3,) and spacing in mm (3,) of a file in canonical orientation, from its header alone.

    Raises:
        BadInput: As `read_volume`, for what the header can tell.
    """
    with _refusing(path):
        image = _open(path)
        axes = np.argsort(nib.io_orientation(image.affine)[:, 0])
        shape = _shape3(image, path)
        return tuple(shape[i] for i in axes), nib.affines.voxel_sizes(image.affine)[axes]


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Turn whatever a damaged file makes nibabel, gzip or numpy raise into one named error."""
    try:
        with LoggingOutputSuppressor(), np.errstate(over="ignore", invalid="ignore"):
            yield
    except _READ_ERRORS as error:
        reason = str(error).strip() or type(error).__name__
        raise BadInput(f"cannot be read as NIfTI ({reason})", where=str(path), fix=_REPLACE) from error


_REPLACE = "Replace the file or leave the scan out"


def _open(path: Path) -> nibabel.Nifti1Image:
    """The file's header as a nibabel image; no voxel is read."""
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        raise BadInput("a scan must be a .nii or .nii.gz file", where=str(path), fix="Convert it to NIfTI")
    if not path.is_file():
        raise BadInput("no such file", where=str(path), fix="Correct the path or restore the file")
    image = nibabel.load(path)
    if not isinstance(image, nibabel.Nifti1Image):
        raise BadInput(f"not NIfTI but {type(image).__name__}", where=str(path), fix="Convert it to NIfTI")
    _shape3(image, path)
    if not np.isfinite(image.affine).all() or abs(np.linalg.det(image.affine[:3, :3])) < 1e-9:
        raise BadInput("the header's affine is singular or not finite", where=str(path), fix=_REPLACE)
    return image


def _shape3(image: nibabel.Nifti1Image, path: Path) -> tuple[int, ...]:
    """The three spatial sizes; further axes must have length 1."""
    shape = tuple(int(size) for size in image.shape)
    if len(shape) > 3 and prod(shape[3:]) > 1:
        raise BadInput(
            f"holds {prod(shape[3:])} volumes (shape {shape}), one is needed",
            where=str(path),
            fix="Extract the volume to use",
        )
    if len(shape) < 3 or min(shape[:3]) < 2:
        raise BadInput(
            f"must be 3D with at least 2 voxels along each axis, shape is {shape}",
            where=str(path),
            fix=_REPLACE,
        )
    return shape[:3]


def _check_size(image: nibabel.Nifti1Image, path: Path) -> None:
    """Compare what the header promises with a limit and with what the file can hold."""
    dtype = _dtype(image)
    if dtype.kind not in "iuf":
        raise BadInput(
            f"voxels must be real numbers, their type is {dtype}", where=str(path), fix="Convert it"
        )
    voxels = prod(image.shape)
    if voxels > MAX_VOXELS:
        raise BadInput(
            f"the header claims {voxels} voxels (shape {image.shape}), more than {MAX_VOXELS}",
            where=str(path),
            fix=_REPLACE,
        )
    held = path.stat().st_size * (_GZIP_RATIO if _gzipped(path) else 1)
    if held < _needed(image):
        raise BadInput(
            f"truncated: the header promises {_needed(image)} bytes, the file holds at most {held}",
            where=str(path),
            fix=_REPLACE,
        )


def _needed(image: nibabel.Nifti1Image) -> int:
    return int(_proxy(image).offset) + prod(image.shape) * _dtype(image).itemsize


def _proxy(image: nibabel.Nifti1Image) -> ArrayProxy:
    return cast(ArrayProxy, image.dataobj)


def _dtype(image: nibabel.Nifti1Image) -> np.dtype:
    dtype: np.dtype = cast(Any, image).get_data_dtype()
    return dtype


def _gzipped(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


def _content(path: Path, image: nibabel.Nifti1Image) -> bytes:
    """The decompressed file, never more than one byte beyond what its header promises."""
    with gzip.open(path) if _gzipped(path) else path.open("rb") as stream:
        content = stream.read(_needed(image) + 1)
    if len(content) < _needed(image):
        raise BadInput(
            f"truncated: {len(content)} of {_needed(image)} bytes are there", where=str(path), fix=_REPLACE
        )
    return bytes(content)


def _canonical(data: np.ndarray, affine: np.ndarray, path: Path) -> Volume:
    """Reorient to RAS, drop axes of length 1 after the third, insist on finite voxels."""
    if not np.isfinite(data).all():
        raise BadInput(
            f"{int((~np.isfinite(data)).sum())} voxels are NaN or infinite",
            where=str(path),
            fix="Replace them, with zero if they are background",
        )
    image = nib.as_closest_canonical(nib.Nifti1Image(data.reshape(data.shape[:3]), affine))
    return Volume(
        data=np.ascontiguousarray(image.dataobj, dtype=np.float32),
        spacing=nib.affines.voxel_sizes(image.affine),
        affine=np.asarray(image.affine, dtype=np.float64),
    )
