"""Integers as scanners store them take shortcuts; they lead to the bits of plain float32 arithmetic."""

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from nifti import save
from scipy import ndimage

from study.badinput import BadInput
from study.cohort.centre import profiles
from study.cohort.intensities import unit, zscore
from study.cohort.preprocess import Preprocessing, preprocess_files
from study.cohort.volume import read_stored

SHAPE = (20, 17, 9)
KINDS = (np.int8, np.uint8, np.int16, np.uint16, np.float32)


def scan(kind: type, seed: int = 0, shape: tuple[int, int, int] = (31, 26, 15)) -> np.ndarray:
    """Noise of both signs where the type has them, inside a field of zeros."""
    rng, limits = np.random.default_rng(seed), np.iinfo(kind) if kind != np.float32 else None
    low, high = (limits.min, limits.max) if limits else (-3000, 3000)
    data = np.zeros(shape, kind)
    data[3:-4, 5:-2, 2:-2] = rng.uniform(low / 3, high, np.subtract(shape, (7, 7, 4))).astype(kind)
    return data


def plainly(data: np.ndarray, region: np.ndarray | None, intensities: str) -> np.ndarray:
    """Preprocessing in its simplest words: float32 voxels, float64 sums."""
    image = data.astype(np.float32)
    mass = np.abs(image if region is None else (region != 0).astype(np.float32))
    start = []
    for axis, side in enumerate(SHAPE):
        profile = mass.sum(axis=tuple({0, 1, 2} - {axis}), dtype=np.float64)
        centre = np.round(profile @ np.arange(profile.size) / profile.sum(), 4)
        start.append(int(np.floor(centre - (side - 1) / 2 + 0.5)))
    boxed, weight = boxed_at(image, start), None
    if region is not None:
        smooth = ndimage.gaussian_filter((region != 0).astype(np.float32), 2.0, mode="constant")
        weight = boxed_at(np.where(smooth > 0.01, smooth, np.float32(0)), start)
    if intensities == "unit":
        boxed = boxed if weight is None else boxed * weight
        return (boxed - boxed.min()) / (boxed.max() - boxed.min())
    inside = boxed != 0 if weight is None else weight > 0
    values = boxed[inside] - np.median(boxed[inside])
    values = values if weight is None else values * weight[inside]
    result = np.zeros_like(boxed)
    result[inside] = values / np.float32(values.std(dtype=np.float64))
    return result


def boxed_at(image: np.ndarray, start: list[int]) -> np.ndarray:
    room = max(SHAPE) + max(image.shape)
    padded = np.pad(image, room)
    return padded[tuple(slice(room + a, room + a + side) for a, side in zip(start, SHAPE, strict=True))]


@pytest.mark.parametrize("axes", ["RAS", "LPS", "SRA"])
@pytest.mark.parametrize("region", ["brain", "mask"])
@pytest.mark.parametrize("intensities", ["zscore", "unit"])
@pytest.mark.parametrize("kind", KINDS)
def test_files_of_any_type_give_the_bits_of_plain_arithmetic(
    tmp_path: Path, kind: type, intensities: str, region: str, axes: str
) -> None:
    turn = nib.orientations.ornt_transform(nib.io_orientation(np.eye(4)), nib.orientations.axcodes2ornt(axes))
    data, mask = scan(kind), np.zeros((31, 26, 15), np.uint8)
    mask[8:20, 9:19, 4:10] = 3
    for name, content in (("image", data), ("mask", mask)):
        image = nib.Nifti1Image(content, np.diag([1.0, 1.0, 3.0, 1.0])).as_reoriented(turn)
        nib.save(image, tmp_path / f"{name}.nii.gz")
    spec = Preprocessing(shape=SHAPE, region=region, intensities=intensities)
    ours = preprocess_files(tmp_path / "image.nii.gz", tmp_path / "mask.nii.gz", None, spec).image_DHW
    expected = plainly(data, mask if region == "mask" else None, intensities)
    assert ours.dtype == np.float32
    assert ours.flags.c_contiguous
    assert ours.tobytes() == expected.tobytes()


@given(data=st.data(), kind=st.sampled_from(KINDS), intensities=st.sampled_from(["zscore", "unit"]))
def test_integers_and_their_float32_are_standardised_to_the_same_bits(
    data: st.DataObject, kind: type, intensities: str
) -> None:
    shape = st.tuples(*[st.integers(1, 5)] * 3)
    numbers = None if kind != np.float32 else st.integers(-9, 9)
    image = data.draw(hnp.arrays(kind, shape, elements=numbers))
    standardise = {"zscore": zscore, "unit": unit}[intensities]
    try:
        expected = standardise(image.astype(np.float32), None, "here")
    except BadInput as refusal:
        with pytest.raises(BadInput, match=refusal.what):
            standardise(image, None, "here")
        return
    assert standardise(image, None, "here").tobytes() == expected.tobytes()


@given(
    image=st.sampled_from(KINDS[:-1]).flatmap(
        lambda kind: hnp.arrays(kind, st.tuples(*[st.integers(1, 40)] * 3), fill=st.nothing())
    ),
    order=st.permutations(range(3)),
    back=st.tuples(*[st.sampled_from([1, -1])] * 3),
)
def test_profiles_of_integers_are_exact_in_any_layout(
    image: np.ndarray, order: list[int], back: tuple[int, int, int]
) -> None:
    turned = image.transpose(order)[tuple(slice(None, None, step) for step in back)]
    for axis, profile in enumerate(profiles(turned)):
        wide = np.abs(turned.astype(np.int64)).sum(axis=tuple({0, 1, 2} - {axis}))
        np.testing.assert_array_equal(profile, wide)


def test_the_largest_integers_are_summed_without_overflow() -> None:
    for kind, value, size in ((np.int16, -(2**15), 2**15), (np.uint16, 2**16 - 1, 2**16 - 1)):
        for profile in profiles(np.full((40, 33, 21), value, kind)):
            assert (profile == size * (40 * 33 * 21 // profile.size)).all()


def test_stored_types_stay_and_scaled_or_wide_ones_become_float32(tmp_path: Path) -> None:
    data = np.arange(60).reshape(3, 4, 5)
    for kind in (np.int8, np.uint8, np.int16, np.uint16):
        assert read_stored(save(tmp_path / "a.nii.gz", data.astype(kind))).data.dtype == kind
    swapped = nib.Nifti1Image(data.astype(">i2"), np.eye(4), nib.Nifti1Header(endianness=">"))
    swapped.set_data_dtype(np.int16)
    nib.save(swapped, tmp_path / "a.nii.gz")
    stored = read_stored(tmp_path / "a.nii.gz").data
    assert stored.dtype == np.dtype("=i2")
    np.testing.assert_array_equal(stored, data)
    for content, scaling in ((data.astype(np.int32), {}), (data.astype(np.int16), {"slope": 2, "inter": 1})):
        stored = read_stored(save(tmp_path / "a.nii.gz", content, **scaling)).data
        assert stored.dtype == np.float32
        np.testing.assert_array_equal(stored, data * scaling.get("slope", 1) + scaling.get("inter", 0))


def test_gzip_files_of_several_members_are_one_file(tmp_path: Path) -> None:
    data = scan(np.int16)
    whole = save(tmp_path / "a.nii", data).read_bytes()
    halves = gzip.compress(whole[:5000]) + gzip.compress(whole[5000:])
    (tmp_path / "a.nii.gz").write_bytes(halves)
    np.testing.assert_array_equal(read_stored(tmp_path / "a.nii.gz").data, data)
    (tmp_path / "a.nii.gz").write_bytes(halves[:-9])
    with pytest.raises(BadInput, match="cannot be read as NIfTI"):
        read_stored(tmp_path / "a.nii.gz")
