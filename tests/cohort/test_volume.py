"""Files of any real type and orientation come out as the same canonical array."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nifti import brain, save

from study.cohort.volume import read_grid, read_volume


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16, np.uint8])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_reads_real_types_as_float32(tmp_path: Path, dtype: type, ending: str) -> None:
    data = np.arange(60, dtype=dtype).reshape(3, 4, 5)
    volume = read_volume(save(tmp_path / f"a{ending}", data))
    assert volume.data.dtype == np.float32
    np.testing.assert_array_equal(volume.data, data.astype(np.float32))


def test_applies_slope_and_intercept(tmp_path: Path) -> None:
    stored = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    path = save(tmp_path / "a.nii.gz", stored, slope=0.5, inter=10)
    np.testing.assert_allclose(read_volume(path).data, stored * 0.5 + 10)


def test_squeezes_a_single_volume(tmp_path: Path) -> None:
    data = brain()
    volume = read_volume(save(tmp_path / "a.nii.gz", data[..., None]))
    np.testing.assert_array_equal(volume.data, data)


@pytest.mark.parametrize("axes", ["RAS", "LPS", "SRA", "PIL"])
def test_orientation_becomes_canonical(tmp_path: Path, axes: str) -> None:
    canonical = nib.Nifti1Image(brain(), np.diag([1.0, 2.0, 3.0, 1.0]))
    turn = nib.orientations.ornt_transform(nib.io_orientation(np.eye(4)), nib.orientations.axcodes2ornt(axes))
    nib.save(canonical.as_reoriented(turn), tmp_path / "a.nii.gz")
    volume = read_volume(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(volume.data, brain())
    np.testing.assert_allclose(volume.spacing, [1, 2, 3])
    np.testing.assert_allclose(volume.affine, canonical.affine)
    shape, spacing = read_grid(tmp_path / "a.nii.gz")
    assert shape == volume.data.shape
    np.testing.assert_allclose(spacing, volume.spacing)
