"""Scans within the ranges of the training scans pass; what sets others apart is said in words."""

import numpy as np
import pytest
from nifti import brain

from study.badinput import BadInput
from study.cohort.preprocess import Preprocessing, preprocess
from study.cohort.ranges import FILE, Ranges, read_ranges, write_ranges
from study.cohort.volume import Volume

SPEC = Preprocessing(shape=(12, 12, 8))
SPACINGS = ((0.95, 0.95, 1.2), (1.0, 1.0, 3.0))


def read(data, spacing=SPACINGS[0]):
    volume = Volume(
        data=np.ascontiguousarray(data, dtype=np.float32),
        spacing=np.array(spacing),
        affine=np.diag([*spacing, 1.0]),
    )
    return preprocess(volume, None, None, SPEC)


@pytest.fixture(scope="module")
def ranges():
    scans = [read(brain(seed), SPACINGS[seed % 2]) for seed in range(8)]
    images = np.stack([scan.image_DHW for scan in scans])
    return Ranges.of(images, [scan.shape for scan in scans], [scan.spacing for scan in scans])


def unlike(ranges, scan):
    return ranges.unlike(scan.shape, scan.spacing, scan.image_DHW)


@pytest.mark.parametrize("seed", range(8, 28))
def test_another_scan_of_the_same_kind_passes(ranges, seed):
    assert unlike(ranges, read(brain(seed), (0.96, 1.0, 2.0))) == ""


def test_the_scanners_units_make_no_difference(ranges):
    assert unlike(ranges, read(100 * brain(9))) == ""


def test_a_spacing_that_was_only_rounded_passes(ranges):
    assert unlike(ranges, read(brain(9), (0.9499, 0.95, 3.0001))) == ""


def test_shape_and_spacing_are_told_by_axis(ranges):
    assert ranges.unlike_grid((12, 20, 10), (1.0, 1.0, 3.5)) == [
        "shape 20 voxels along y, training scans 14",
        "spacing 3.5 mm along z, training scans 1.2 to 3",
    ]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: data - 1000, "darkest hundredth of the foreground"),
        (lambda data: data * (np.arange(12)[:, None, None] < 5), "foreground's share of the crop"),
        (lambda data: np.where(data > 0, (data - 100) ** 3, 0), "hundredth of the foreground"),
        (lambda data: np.where(data > 0, np.exp(data / 8), 0), "brightest hundredth"),
    ],
    ids=["background far from zero", "half of it cut away", "heavy tails", "other contrast"],
)
def test_intensities_that_the_networks_never_saw_are_told(ranges, change, says):
    assert says in unlike(ranges, read(change(brain(9))))


def test_grids_that_were_not_kept_are_not_compared():
    images, unknown = np.stack([read(brain(seed)).image_DHW for seed in range(4)]), np.full((4, 3), np.nan)
    ranges = Ranges.of(images, unknown, unknown)
    assert ranges.shape is None
    assert ranges.unlike_grid((200, 200, 200), (9.0, 9.0, 9.0)) == []


def test_they_are_read_as_they_were_written(ranges, tmp_path):
    write_ranges(tmp_path, ranges)
    assert read_ranges(tmp_path) == ranges
    (tmp_path / FILE).write_text("{}")
    with pytest.raises(BadInput, match="is damaged"):
        read_ranges(tmp_path)
    (tmp_path / FILE).unlink()
    assert read_ranges(tmp_path) is None
