"""What would be read: a table of a cohort's scans, a summary a person reads, and a picture of some."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from study.cohort.scan import Cohort, Scan
from study.cohort.volume import Volume, read_grid, read_volume
from study.record import atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PICTURED = 8
_BINS = 10
_BAR = 30


def describe(cohort: Cohort) -> pd.DataFrame:
    """A row a scan: id, site, group, label, truth, shape, spacing (mm), from headers alone.

    Raises:
        BadInput: An image's header cannot be read.
    """
    grids = [read_grid(scan.image) for scan in cohort.scans]
    return pd.DataFrame(
        {
            "id": [scan.id for scan in cohort.scans],
            "site": [scan.site for scan in cohort.scans],
            "group": [scan.group for scan in cohort.scans],
            "label": [scan.label for scan in cohort.scans],
            "truth": pd.Series([scan.truth for scan in cohort.scans], dtype=float),
            "shape": [" x ".join(map(str, shape)) for shape, _ in grids],
            "spacing": [" x ".join(f"{side:.4g}" for side in spacing) for _, spacing in grids],
        }
    )


def summary(cohort: Cohort) -> str:
    """Counts, sites, shapes, spacings and a label histogram as lines of text.

    Raises:
        BadInput: An image's header cannot be read.
    """
    table = describe(cohort)
    groups, unit = table["group"].nunique(), cohort.unit
    lines = [
        f"{len(table)} scans in {groups} groups, layout {cohort.layout}, labels in {unit}: {cohort.root}",
        "",
        "site                  scans   label: least    median      most",
        *(_site_line(str(name), site["label"]) for name, site in table.groupby("site")),
        "",
        *_count_lines("shape (voxels)", table["shape"]),
        "",
        *_count_lines("spacing (mm)", table["spacing"]),
        "",
        "label",
        *_histogram(table["label"].to_numpy()),
    ]
    return "\n".join(lines)


def slices_figure(cohort: Cohort, path: Path) -> None:
    """Write a PNG: three central slices through up to eight scans, spread over the label's range.

    Raises:
        BadInput: A scan cannot be read.
    """
    from matplotlib.figure import Figure

    scans = _pictured(cohort.scans)
    figure = Figure(figsize=(7.5, 2.4 * len(scans)), layout="constrained")
    rows = figure.subplots(len(scans), 3, squeeze=False)
    for scan, axes in zip(scans, rows, strict=True):
        _draw_scan(scan, read_volume(scan.image), axes)
        title = f"{scan.id}  ·  site {scan.site or '-'}  ·  {scan.label:g} {cohort.unit}"
        axes[0].set_title(title, loc="left", parse_math=False)
    with warnings.catch_warnings(), atomic(path) as stream:
        # An id may hold letters that the font lacks; they are drawn as boxes.
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(stream, format="png", dpi=110, metadata={"Software": None})


def _site_line(name: str, labels: pd.Series) -> str:
    least, median, most = labels.min(), labels.median(), labels.max()
    return f"{name or '-':20s} {len(labels):6d}   {least:12.6g} {median:9.6g} {most:9.6g}"


def _count_lines(title: str, column: pd.Series) -> list[str]:
    counts = column.value_counts()
    return [f"{title:20s}  scans", *(f"{value:20s} {count:6d}" for value, count in counts.items())]


def _histogram(labels: np.ndarray) -> list[str]:
    counts, edges = np.histogram(labels, bins=_BINS)
    return [
        f"{low:9.4g} to {high:9.4g} {count:5d} {'#' * -(-_BAR * count // counts.max())}"
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]


def _pictured(scans: Sequence[Scan]) -> list[Scan]:
    """Scans evenly spread in rank from the smallest label to the largest."""
    ranked = sorted(scans, key=lambda scan: scan.label)
    places = np.linspace(0, len(ranked) - 1, min(_PICTURED, len(ranked))).round().astype(int)
    return [ranked[place] for place in places]


def _draw_scan(scan: Scan, volume: Volume, axes: "Sequence[Axes]") -> None:
    """Sagittal, coronal and axial slice, in millimetres, lesions outlined."""
    lesions = read_volume(scan.lesion_mask).data == 1 if scan.lesion_mask else None
    low, high = np.percentile(volume.data, (1, 99.5))
    for axis in range(3):
        across, up = (other for other in range(3) if other != axis)
        place = volume.data.shape[axis] // 2
        aspect = volume.spacing[up] / volume.spacing[across]
        image = np.take(volume.data, place, axis).T
        axes[axis].imshow(image, cmap="gray", vmin=low, vmax=high, origin="lower", aspect=aspect)
        if lesions is not None and np.take(lesions, place, axis).any():
            axes[axis].contour(np.take(lesions, place, axis).T, levels=[0.5], colors="red", linewidths=0.7)
        axes[axis].set_anchor("N")
        axes[axis].set_axis_off()
