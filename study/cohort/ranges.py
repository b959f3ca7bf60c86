"""What training scans looked like, as ranges, and in words where another scan lies outside them.

Shape and spacing are those of the files. Intensities are those that the network sees: before, they
are in each scanner's own units, which standardising takes away. What it leaves tells apart a scan of
another contrast, one whose background is not zero, and one that somebody has already standardised.
"""

from pathlib import Path
from typing import Literal, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from study.badinput import BadInput
from study.cohort.rows import Images
from study.record import write_json

FILE = "ranges.json"
Range = tuple[float, float]
Axes = tuple[Range, Range, Range]

_VOXELS = 2**18
"""Foreground voxels that quantiles are taken from at most."""
_SLACK = 0.5
"""Intensities may leave the range by this share of it: one of m more scans of the same kind often does."""
_SPACING = 0.01
"""Share by which spacings may differ and still be the same, written down by another program."""


class Appearance(NamedTuple):
    """A preprocessed scan's intensities in three numbers."""

    foreground: float
    """Share of the grid's voxels that are not 0, as the background is."""
    low: float
    """Standardised intensity below which a hundredth of the foreground lies."""
    high: float
    """The same, above."""


class Ranges(BaseModel):
    """Smallest and largest values over the scans that an export was trained on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    scans: int
    shape: Axes | None
    """Voxels along each canonical axis; None where they are not known."""
    spacing: Axes | None
    """In mm."""
    foreground: Range
    low: Range
    high: Range

    @classmethod
    def of(cls, images: Images, shapes_M3: ArrayLike, spacings_M3: ArrayLike) -> Self:
        """The ranges of M preprocessed scans and of their files' grids, nan where unknown."""
        looks_M3 = np.array([appearance(images[np.array([row])][0]) for row in range(len(images))])
        foreground, low, high = _ranges(looks_M3)
        return cls(
            scans=len(images),
            shape=_axes(np.asarray(shapes_M3, np.float64)),
            spacing=_axes(np.asarray(spacings_M3, np.float64)),
            foreground=foreground,
            low=low,
            high=high,
        )

    def unlike(self, shape: tuple[int, ...], spacing: ArrayLike, image_DHW: NDArray[np.floating]) -> str:
        """What sets a scan apart, in words separated by `; `; empty where it lies within the ranges.

        Args:
            shape: Voxels of its file along each canonical axis.
            spacing: In mm (3,).
            image_DHW: The scan as preprocessed.
        """
        return "; ".join([*self.unlike_grid(shape, spacing), *self._unlike_image(image_DHW)])

    def unlike_grid(self, shape: tuple[int, ...], spacing: ArrayLike) -> list[str]:
        """`unlike`, of what a file's header tells alone."""
        found = []
        for what, unit, ranges, values, slack in (
            ("shape", "voxels", self.shape, shape, 0.0),
            ("spacing", "mm", self.spacing, np.asarray(spacing), _SPACING),
        ):
            for axis, value, limits in zip("xyz", values, ranges, strict=True) if ranges else ():
                if not (1 - slack) * limits[0] <= value <= (1 + slack) * limits[1]:
                    found.append(f"{what} {value:.4g} {unit} along {axis}, {_trained(limits)}")
        return found

    def _unlike_image(self, image_DHW: NDArray[np.floating]) -> list[str]:
        found = []
        for (name, value), what in zip(appearance(image_DHW)._asdict().items(), _WORDS, strict=True):
            low, high = getattr(self, name)
            slack = _SLACK * (high - low) + 1e-3
            if not low - slack <= value <= high + slack:
                found.append(f"{what} {value:.3g}, {_trained((low, high))}")
        return found


_WORDS = (
    "foreground's share of the crop",
    "darkest hundredth of the foreground ends at intensity",
    "brightest hundredth of the foreground begins at intensity",
)


def appearance(image_DHW: NDArray[np.floating]) -> Appearance:
    """Of a scan as preprocessed (D, H, W)."""
    foreground = image_DHW[image_DHW != 0].astype(np.float32)
    sample = foreground[:: max(1, foreground.size // _VOXELS)]
    low, high = np.quantile(sample, (0.01, 0.99)) if sample.size else (0.0, 0.0)
    return Appearance(foreground.size / image_DHW.size, float(low), float(high))


def write_ranges(folder: Path, ranges: Ranges) -> None:
    """As `ranges.json` of an export."""
    write_json(folder / FILE, ranges.model_dump(mode="json"))


def read_ranges(folder: Path) -> Ranges | None:
    """Of an export; None where it has none, made before they were kept.

    Raises:
        BadInput: The file is damaged.
    """
    path = folder / FILE
    try:
        return Ranges.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise BadInput("is damaged", where=str(path), fix="Export again: setsum export STUDY_DIR") from error


def _ranges(values_MF: NDArray[np.float64]) -> list[Range]:
    low_F, high_F = values_MF.min(axis=0), values_MF.max(axis=0)
    return [(float(low), float(high)) for low, high in zip(low_F, high_F, strict=True)]


def _axes(values_M3: NDArray[np.float64]) -> Axes | None:
    if np.isnan(values_M3).any():
        return None
    x, y, z = _ranges(values_M3)
    return x, y, z


def _trained(limits: Range) -> str:
    low, high = (f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}" for value in limits)
    return f"training scans {low}" if low == high else f"training scans {low} to {high}"
