"""The two words everything here is about: a scan (an image and its label) and a cohort of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Quantity = Literal["voxels", "mm3", "components"]
"""How a label is counted from a lesion mask: voxels, their volume, or connected components."""


@dataclass(frozen=True, kw_only=True)
class Scan:
    """One 3D image with its additive quantity, as files on disk; nothing is loaded."""

    id: str
    """Unique within the cohort; letters, digits and the like, never a slash."""
    image: Path
    label: float
    """Finite and at least 0; labels are summed over scans."""
    mask: Path | None = None
    """Region of interest, needed by `region: mask`."""
    lesion_mask: Path | None = None
    """Lesions are its voxels equal to 1; used for labels and for what a crop loses, never as input."""
    site: str = ""
    group: str = ""
    """Scans of one group (one person's several scans) stay together; a group of its own by default."""
    truth: float | None = None
    """Label without raters' noise, where it is known."""

    def __post_init__(self) -> None:
        if not self.group:
            object.__setattr__(self, "group", self.id)


@dataclass(frozen=True, kw_only=True)
class Unlabelled:
    """One 3D image to predict, and its region mask where it has one."""

    id: str
    image: Path
    mask: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Cohort:
    """Scans in a fixed order, and where they came from."""

    root: Path
    layout: str
    unit: str
    """What a label counts: `voxels`, `mm3`, `components`, or the name of a label column."""
    scans: tuple[Scan, ...]
