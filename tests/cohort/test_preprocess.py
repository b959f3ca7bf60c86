"""Crop, pad, resampling and intensities keep what they promise, whatever the scan."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from nifti import brain, lesions, save
from pydantic import ValidationError

from study.cohort.preprocess import Preprocessing, crop, preprocess, preprocess_files
from study.cohort.volume import Volume


def _volume(data: np.ndarray, spacing: tuple[float, float, float] = (1, 1, 1)) -> Volume:
    affine = np.diag([*map(float, spacing), 1.0])
    return Volume(data=data.astype(np.float32), spacing=np.array(spacing, dtype=float), affine=affine)


def _image(volume: Volume, mask: Volume | None = None, **fields: object) -> np.ndarray:
    spec = Preprocessing.model_validate({"shape": (12, 12, 12), **fields})
    return preprocess(volume, mask, None, spec).image_DHW


seeds = st.integers(0, 10_000)


@given(seed=seeds, gain=st.floats(0.01, 1e4), shape=st.tuples(*[st.integers(6, 20)] * 3))
def test_zscore_puts_the_foreground_at_median_0_and_sd_1(
    seed: int, gain: float, shape: tuple[int, int, int]
) -> None:
    volume = _volume(brain(seed, shape) * gain)
    image = _image(volume)
    foreground = crop(volume.data, _start(volume, image), (12, 12, 12)) != 0
    values = image[foreground]
    assert abs(np.median(values)) < 1e-5
    assert values.std(dtype=np.float64) == pytest.approx(1, abs=1e-4)
    assert (image[~foreground] == 0).all()


def _start(volume: Volume, image: np.ndarray) -> np.ndarray:
    """Where the crop began, read from the affine that preprocessing returns."""
    result = preprocess(volume, None, None, Preprocessing(shape=image.shape))
    return np.rint(result.affine[:3, 3]).astype(int)


@given(seed=seeds, gain=st.floats(0.01, 1e4), offset=st.floats(-100, 100))
def test_unit_spans_zero_to_one_and_forgets_the_gain(seed: int, gain: float, offset: float) -> None:
    full = np.random.default_rng(seed).uniform(1, 2, (12, 12, 12))
    image = _image(_volume(full * gain + offset), shape=(6, 6, 6), intensities="unit")
    assert image.min() == 0
    assert image.max() == 1


@given(seed=seeds, shift=st.tuples(*[st.integers(-4, 4)] * 3))
def test_a_translated_scan_gives_the_same_input(seed: int, shift: tuple[int, int, int]) -> None:
    room = np.pad(brain(seed), 5)
    moved = np.roll(room, shift, axis=(0, 1, 2))
    np.testing.assert_array_equal(_image(_volume(room)), _image(_volume(moved)))


@given(
    image=hnp.arrays(np.float32, st.tuples(*[st.integers(1, 7)] * 3), elements=st.integers(1, 9)),
    start=st.tuples(*[st.integers(-9, 9)] * 3),
    shape=st.tuples(*[st.integers(1, 9)] * 3),
)
def test_crop_shows_the_image_where_it_is_and_zero_elsewhere(
    image: np.ndarray, start: tuple[int, int, int], shape: tuple[int, int, int]
) -> None:
    cropped = crop(image, np.array(start), shape)
    for place in np.ndindex(shape):
        source = np.add(place, start)
        inside = (source >= 0).all() and (source < image.shape).all()
        assert cropped[place] == (image[tuple(source)] if inside else 0)


def test_centre_of_mass_is_in_the_middle() -> None:
    data = np.zeros((20, 30, 40))
    data[3, 25, 10], data[3, 25, 11] = 8.0, 5.0
    image = _image(_volume(data), shape=(5, 5, 5), intensities="unit")
    assert np.unravel_index(image.argmax(), image.shape) == (2, 2, 2)


def test_affine_follows_crop_and_spacing() -> None:
    data = np.zeros((20, 20, 20))
    data[8:12, 4:8, 10:14] = np.random.default_rng(0).uniform(1, 2, (4, 4, 4))
    data[9, 5, 11] = 50
    volume = _volume(data, (2.0, 1.0, 1.0))
    spec = Preprocessing(shape=(16, 16, 16), spacing=(1.0, 1.0, 1.0), intensities="unit")
    result = preprocess(volume, None, None, spec)
    peaks = np.argwhere(result.image_DHW > 0.7)
    world = (result.affine @ np.array([*peaks.mean(axis=0), 1.0]))[:3]
    np.testing.assert_allclose(world, [18, 5, 11], atol=1e-6)


def test_resampling_keeps_a_smooth_scan() -> None:
    grid = np.indices((24, 24, 24)) - 11.5
    blob = np.exp(-(grid**2).sum(axis=0) / 50)
    fine = _image(_volume(blob), shape=(10, 10, 10), spacing=(2.0, 2.0, 2.0), intensities="unit")
    coarse_grid = 2 * (np.indices((10, 10, 10)) - 4.5)
    expected = np.exp(-(coarse_grid**2).sum(axis=0) / 50)
    assert np.abs(fine - expected / expected.max()).max() < 0.05


def test_equal_spacing_is_not_resampled() -> None:
    volume = _volume(brain())
    np.testing.assert_array_equal(_image(volume), _image(volume, spacing=(1.0, 1.0002, 1.0)))


def test_region_mask_fades_into_its_median_and_centres_the_crop() -> None:
    rng = np.random.default_rng(0)
    data = rng.uniform(100, 200, (40, 40, 40))
    region = np.zeros((40, 40, 40))
    region[5:15, 20:30, 10:20] = 1
    image = _image(_volume(data), _volume(region), shape=(26, 26, 26), region="mask")
    inside, corner = image[8:18, 8:18, 8:18], image[0, 0, 0]
    assert corner == 0
    assert image[image != 0].std() == pytest.approx(1, abs=0.01)
    assert abs(np.median(image[image != 0])) < 0.01
    # Without care, voxels at the region's edge would lie many SDs below the median.
    assert image.min() > inside.min() - 1e-6
    assert np.abs(image[:3]).mean() < 0.1 * np.abs(inside).mean()


def test_region_mask_decides_although_the_scan_is_bright_elsewhere() -> None:
    data, region = np.random.default_rng(1).uniform(1, 2, (40, 40, 40)), np.zeros((40, 40, 40))
    data[30:] *= 100
    region[10:14, 10:14, 10:14] = 1
    near = _image(_volume(data), _volume(region), shape=(8, 8, 8), region="mask")
    data[30:] = 1
    np.testing.assert_array_equal(
        near, _image(_volume(data), _volume(region), shape=(8, 8, 8), region="mask")
    )


@pytest.mark.parametrize("spacing", [None, (0.5, 1.0, 1.0)])
def test_lesion_share_lost_counts_what_the_crop_cuts_off(spacing: tuple[float, float, float] | None) -> None:
    data, lesion = np.ones((20, 8, 8)), np.zeros((20, 8, 8))
    data[::2] = 2
    lesion[9, 4, 4] = lesion[10, 4, 4] = lesion[0, 4, 4] = lesion[19, 4, 4] = 1
    lesion[1, 4, 4] = 2
    width = 8 if spacing is None else 16
    spec = Preprocessing(shape=(width, 8, 8), spacing=spacing)
    assert preprocess(_volume(data), None, _volume(lesion), spec).lesion_share_lost == 0.5
    assert np.isnan(preprocess(_volume(data), None, _volume(lesion * 0), spec).lesion_share_lost)
    assert np.isnan(preprocess(_volume(data), None, None, spec).lesion_share_lost)


def test_files_give_what_arrays_give(tmp_path: Path) -> None:
    image = save(tmp_path / "a.nii.gz", brain())
    lesion_mask = save(tmp_path / "l.nii.gz", lesions(9))
    spec = Preprocessing(shape=(10, 10, 10), dtype="float16")
    result = preprocess_files(image, None, lesion_mask, spec)
    expected = preprocess(_volume(brain()), None, None, spec).image_DHW
    assert result.image_DHW.dtype == np.float16
    np.testing.assert_array_equal(result.image_DHW, expected)
    assert result.lesion_share_lost == 0


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"shape": (8, 8)},
        {"shape": (8, 8, 0)},
        {"shape": (8, 8, 8), "region": "head"},
        {"shape": (8, 8, 8), "spacing": (1.0, 0.0, 1.0)},
        {"shape": (8, 8, 8), "colour": 1},
    ],
)
def test_impossible_preprocessing_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Preprocessing.model_validate(fields)
