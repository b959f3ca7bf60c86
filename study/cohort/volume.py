"""One NIfTI file, read with suspicion: a finite 3D array in canonical (RAS) orientation.

The header's few hundred bytes are read alone, and its sizes checked against limits and the file's
length before anything is allocated, so that a damaged or hostile file costs an error message and not
the machine's memory. Nothing else of the file is interpreted: not the header's extensions, and none
of the other formats that nibabel might find in it.
"""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, cast

import nibabel
import numpy as np
from isal import igzip
from isal.igzip_lib import IsalError
from nibabel.orientations import OrientationError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from study.badinput import BadInput

# nibabel is typed only in part.
nib: Any = nibabel

MAX_VOXELS = 2**28
# Deflate cannot compress better than 1032 to 1.
_GZIP_RATIO = 1032
_READ_ERRORS = (
    HeaderDataError,
    WrapStructError,
    OrientationError,
    OSError,
    EOFError,
    ValueError,
    OverflowError,
    cast(type[Exception], IsalError),
    np.linalg.LinAlgError,
)
# NIfTI-1 and NIfTI-2, told apart by the length that their first four bytes state.
_HEADERS = {348: nib.Nifti1Header, 540: nib.Nifti2Header}
_MAGIC = {348: b"n+1", 540: b"n+2"}
# Kinds and bytes of the numbers that need no other type: float32 holds integers of 16 bits exactly.
_AS_STORED = {("i", 1), ("u", 1), ("i", 2), ("u", 2), ("f", 4)}
_SMALLEST_MM, _LARGEST_MM = 1e-4, 1e4
# nibabel's remarks about headers would stand beside our one line.
_SILENT = logging.Logger("nifti", logging.CRITICAL + 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Volume:
    """A 3D image: `data` (D, H, W), finite; `spacing` in mm (3,); `affine` voxel to world (4, 4)."""

    data: np.ndarray
    spacing: np.ndarray
    affine: np.ndarray


def read_volume(path: Path) -> Volume:
    """Read one scan or mask as float32, contiguous.

    Args:
        path: A `.nii` or `.nii.gz` file of any real number type, scaled or not, 3D, or 4D with a
            single volume.

    Raises:
        BadInput: The file is missing, damaged, not NIfTI, not 3D, of absurd size, or not finite.
    """
    volume = read_stored(path)
    return replace(volume, data=np.ascontiguousarray(volume.data, dtype=np.float32))


def read_stored(path: Path) -> Volume:
    """`read_volume` without a copy where possible: integers of up to 16 bits that the header does not
    scale stay what they are, everything else is float32, and the axes lie in memory as in the file."""
    with _refusing(path), _opened(path) as stream:
        header = _header(stream, path)
        _check_size(header, path)
        # Read to the end before anything is made of it: only the end of a gzip file has its checksum.
        stored = _stored(_content(stream, header, path), header)
        return _canonical(stored, header.get_best_affine(), path)


def read_grid(path: Path) -> tuple[tuple[int, ...], np.ndarray]:
    """Shape (3,) and spacing in mm (3,) of a file in canonical orientation, from its header alone.

    Raises:
        BadInput: As `read_volume`, for what the header can tell.
    """
    with _refusing(path), _opened(path) as stream:
        header = _header(stream, path)
        affine = header.get_best_affine()
        axes = np.argsort(nib.io_orientation(affine)[:, 0])
        shape = _shape3(header, path)
        return tuple(shape[i] for i in axes), nib.affines.voxel_sizes(affine)[axes]


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Turn whatever a damaged file makes nibabel, gzip or numpy raise into one named error."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except BadInput:
        raise
    except _READ_ERRORS as error:
        reason = str(error).strip() or type(error).__name__
        raise BadInput(f"cannot be read as NIfTI ({reason})", where=str(path), fix=_REPLACE) from error


_REPLACE = "Replace the file or leave the scan out"


def _opened(path: Path) -> BinaryIO:
    """The decompressed file."""
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        raise BadInput("a scan must be a .nii or .nii.gz file", where=str(path), fix="Convert it to NIfTI")
    if not path.is_file():
        raise BadInput("no such file", where=str(path), fix="Correct the path or restore the file")
    return cast(BinaryIO, cast(Any, igzip).open(path)) if _gzipped(path) else path.open("rb")


def _header(stream: BinaryIO, path: Path) -> Any:  # noqa: ANN401 - nibabel's headers are not typed
    """The file's header, checked; no voxel is read."""
    block = stream.read(max(_HEADERS))
    stated = [int.from_bytes(block[:4], order) for order in ("little", "big")]
    length = next((length for length in _HEADERS if length in stated), None)
    if length is None or len(block) < length:
        raise BadInput("cannot be read as NIfTI (no NIfTI header)", where=str(path), fix=_REPLACE)
    header = _HEADERS[length](block[:length], check=False)
    header.check_fix(logger=_SILENT)
    if header["magic"].item() != _MAGIC[length]:
        raise BadInput("cannot be read as NIfTI (wrong magic number)", where=str(path), fix=_REPLACE)
    _shape3(header, path)
    _check_affine(header.get_best_affine(), path)
    return header


def _check_affine(affine: np.ndarray, path: Path) -> None:
    """Voxels need a size that somebody could scan, and three axes."""
    sides = np.linalg.norm(affine[:3, :3], axis=0)
    # Unit axes that span less than this volume lie in a plane, or nearly.
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-3 * sides.prod():
        raise BadInput("the header's affine is singular or not finite", where=str(path), fix=_REPLACE)
    if sides.min() < _SMALLEST_MM or sides.max() > _LARGEST_MM:
        raise BadInput(
            f"the header claims voxels of {' x '.join(f'{side:.4g}' for side in sides)} mm in the affine",
            where=str(path),
            fix=_REPLACE,
        )


def _shape3(header: Any, path: Path) -> tuple[int, ...]:  # noqa: ANN401
    """The three spatial sizes; further axes must have length 1."""
    shape = tuple(int(size) for size in header.get_data_shape())
    if len(shape) > 3 and prod(shape[3:]) != 1:
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


def _check_size(header: Any, path: Path) -> None:  # noqa: ANN401
    """Compare what the header promises with a limit and with what the file can hold."""
    dtype = header.get_data_dtype()
    if dtype.kind not in "iuf":
        raise BadInput(
            f"voxels must be real numbers, their type is {dtype}", where=str(path), fix="Convert it"
        )
    if header.get_data_offset() < header.sizeof_hdr:
        raise BadInput(
            f"the voxels begin within the header, at byte {header.get_data_offset()}",
            where=str(path),
            fix=_REPLACE,
        )
    shape = header.get_data_shape()
    voxels = prod(map(int, shape))
    if voxels > MAX_VOXELS:
        raise BadInput(
            f"the header claims {voxels} voxels (shape {shape}), more than {MAX_VOXELS}",
            where=str(path),
            fix=_REPLACE,
        )
    held = path.stat().st_size * (_GZIP_RATIO if _gzipped(path) else 1)
    if held < _needed(header):
        raise BadInput(
            f"truncated: the header promises {_needed(header)} bytes, the file holds at most {held}",
            where=str(path),
            fix=_REPLACE,
        )


def _needed(header: Any) -> int:  # noqa: ANN401
    """Bytes from the file's beginning to its last voxel's end."""
    voxels = prod(map(int, header.get_data_shape()))
    return int(header.get_data_offset()) + voxels * int(header.get_data_dtype().itemsize)


def _gzipped(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


def _content(stream: BinaryIO, header: Any, path: Path) -> bytes:  # noqa: ANN401
    """The decompressed file, never more than one byte beyond what its header promises."""
    needed = _needed(header)
    stream.seek(0)
    content = stream.read(needed + 1)
    if len(content) < needed:
        raise BadInput(
            f"truncated: {len(content)} of {needed} bytes are there", where=str(path), fix=_REPLACE
        )
    return content


def _stored(content: bytes, header: Any) -> np.ndarray:  # noqa: ANN401
    """The voxels, read-only and uncopied if they need neither scaling nor another type."""
    dtype, shape = header.get_data_dtype(), header.get_data_shape()
    scaled = header.get_slope_inter() not in ((None, None), (1, 0))
    if scaled or (dtype.kind, dtype.itemsize) not in _AS_STORED:
        return np.asarray(nib.arrayproxy.ArrayProxy(io.BytesIO(content), header), dtype=np.float32)
    flat = np.frombuffer(content, dtype, prod(map(int, shape)), header.get_data_offset())
    return flat.reshape(shape, order="F").astype(dtype.newbyteorder("="), copy=False)


def _canonical(data: np.ndarray, affine: np.ndarray, path: Path) -> Volume:
    """Reorient to RAS, drop axes of length 1 after the third, insist on finite voxels."""
    if data.dtype.kind == "f" and not np.isfinite(data).all():
        raise BadInput(
            f"{int((~np.isfinite(data)).sum())} voxels are NaN or infinite",
            where=str(path),
            fix="Replace them, with zero if they are background",
        )
    data_3D = data.reshape(data.shape[:3], order="F")
    turn = nib.io_orientation(affine)
    canonical = affine @ nib.orientations.inv_ornt_aff(turn, data_3D.shape)
    return Volume(
        data=nib.apply_orientation(data_3D, turn),
        spacing=nib.affines.voxel_sizes(canonical),
        affine=np.asarray(canonical, dtype=np.float64),
    )
