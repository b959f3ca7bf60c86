"""Every way a scan, mask or table can be wrong gives one line that names file, rule and fix."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from nifti import brain, lesions, save, wmh_cohort, wmh_scan

from study.badinput import BadInput
from study.cohort.preprocess import Preprocessing, preprocess_files
from study.cohort.scans import read_cohort
from study.cohort.volume import read_grid, read_volume


def _header(path: Path, offset: int, value: bytes) -> None:
    """Overwrite bytes of a compressed file's NIfTI header."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[offset : offset + len(value)] = value
    path.write_bytes(gzip.compress(bytes(content)))


def _shorts(*values: int) -> bytes:
    return np.array(values, dtype="<i2").tobytes()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _cut_inside(path: Path) -> None:
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:1000]))


def _flip_checksum(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-8] ^= 0xFF
    path.write_bytes(bytes(content))


def _with_nan(value: float) -> Callable[[Path], object]:
    data = brain()
    data[5, 5, 5] = value
    return lambda path: save(path, data)


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (Path.unlink, "no such file"),
    "folder": (lambda p: (p.unlink(), p.mkdir()), "no such file"),
    "empty": (lambda p: p.write_bytes(b""), "cannot be read"),
    "not gzip": (lambda p: p.write_bytes(b"hello, this is no scan" * 50), "cannot be read"),
    "gzip of text": (lambda p: p.write_bytes(gzip.compress(b"no scan " * 100)), "cannot be read"),
    "truncated gzip": (_cut, "cannot be read"),
    "truncated voxels": (_cut_inside, "truncated"),
    "wrong checksum": (_flip_checksum, "cannot be read"),
    "wrong magic": (lambda p: _header(p, 344, b"xyz\0"), "cannot be read"),
    "two dimensions": (lambda p: save(p, brain()[0]), "must be 3D"),
    "one slice": (lambda p: save(p, brain()[:, :, :1]), "must be 3D"),
    "several volumes": (lambda p: save(p, np.stack([brain(), brain()], -1)), "holds 2 volumes"),
    "no voxels": (lambda p: _header(p, 40, _shorts(3, 12, 0, 10)), "must be 3D"),
    "negative size": (lambda p: _header(p, 40, _shorts(3, -12, 14, 10)), "nifti|must be 3D|cannot be read"),
    "absurd size": (lambda p: _header(p, 40, _shorts(3, 32767, 32767, 32767)), "voxels"),
    "more than the file holds": (lambda p: _header(p, 40, _shorts(3, 500, 500, 500)), "truncated"),
    "absurd offset": (lambda p: _header(p, 108, np.float32(1e12).tobytes()), "truncated|cannot be read"),
    "unknown type": (lambda p: _header(p, 70, _shorts(9999)), "cannot be read|real numbers"),
    "complex": (lambda p: save(p, brain().astype(np.complex64)), "real numbers"),
    "nan": (_with_nan(np.nan), "1 voxels are NaN"),
    "inf": (_with_nan(np.inf), "1 voxels are NaN"),
    "beyond float32": (lambda p: save(p, brain().astype(np.float64) * 1e300), "NaN or infinite"),
    "singular affine": (lambda p: _header(p, 254, _shorts(1) + np.zeros(12, "<f4").tobytes()), "affine|read"),
}


@pytest.mark.parametrize("case", FILES)
def test_damaged_scan_is_named(tmp_path: Path, case: str, capfd: pytest.CaptureFixture[str]) -> None:
    break_it, message = FILES[case]
    path = save(tmp_path / "scan.nii.gz", brain())
    break_it(path)
    with pytest.raises(BadInput, match=message) as caught:
        read_volume(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.fix
    assert capfd.readouterr().err == ""


def test_other_formats_are_refused(tmp_path: Path) -> None:
    (tmp_path / "scan.png").write_bytes(b"x")
    with pytest.raises(BadInput, match=r"\.nii"):
        read_volume(tmp_path / "scan.png")
    with pytest.raises(BadInput, match=r"\.nii"):
        read_grid(tmp_path / "scan.png")


def _manifest(text: str, name: str = "manifest.csv") -> Callable[[Path], object]:
    return lambda root: (root / name).write_text(text)


def _bids(text: str) -> Callable[[Path], object]:
    def write(root: Path) -> None:
        save(root / "sub-01" / "anat" / "sub-01_FLAIR.nii.gz", brain())
        (root / "participants.tsv").write_text(text)

    return write


def _labels(text: str) -> Callable[[Path], object]:
    return lambda root: (wmh_scan(root / "U" / "1", 1, 3), (root / "labels.tsv").write_text(text))


def _mask(values: np.ndarray) -> Callable[[Path], object]:
    return lambda root: (wmh_scan(root / "U" / "1", 1, 3), save(root / "U/1/wmh.nii.gz", values))


HEAD = "id,image,label\n"
COHORTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty folder": (lambda root: None, "no cohort found"),
    "manifest without rows": (_manifest(HEAD), "no rows"),
    "manifest of nothing": (_manifest(""), "column `id` is missing"),
    "manifest without image": (_manifest("id,label\na,1\n"), "column `image` is missing"),
    "manifest without labels": (_manifest("id,image\na,a.nii.gz\n"), "labels cannot be made"),
    "column twice": (_manifest("id,image,label,label\na,a.nii.gz,1,2\n"), "occurs twice"),
    "stray comma": (_manifest(HEAD + "a,a.nii.gz,1,2\n"), "4 cells under 3 columns"),
    "binary manifest": (lambda root: (root / "manifest.csv").write_bytes(b"\xff\xfe\x00"), "as a table"),
    "broken parquet": (_manifest("text", "manifest.parquet"), "as a table"),
    "two manifests": (lambda r: (_manifest(HEAD)(r), _manifest(HEAD, "manifest.tsv")(r)), "more than one"),
    "empty id": (_manifest(HEAD + ",a.nii.gz,1\n"), "`id` is missing"),
    "same id": (_manifest(HEAD + "a,a.nii.gz,1\na,b.nii.gz,1\n"), "'a' occurs twice"),
    "slash in id": (_manifest(HEAD + "x/a,a.nii.gz,1\n"), "slashes"),
    "newline in id": (_manifest(HEAD + '"x\na",a.nii.gz,1\n'), "control"),
    "dots as id": (_manifest(HEAD + "..,a.nii.gz,1\n"), "start with a dot"),
    "empty label": (_manifest(HEAD + "a,a.nii.gz,\n"), "`label` is missing"),
    "label of words": (_manifest(HEAD + "a,a.nii.gz,many\n"), "finite number"),
    "label of nan": (_manifest(HEAD + "a,a.nii.gz,nan\n"), "finite number"),
    "label of inf": (_manifest(HEAD + "a,a.nii.gz,inf\n"), "finite number"),
    "negative label": (_manifest(HEAD + "a,a.nii.gz,-1\n"), "at least 0, got '-1'"),
    "label with underscore": (_manifest(HEAD + "a,a.nii.gz,1_0\n"), "finite number"),
    "image not there": (_manifest(HEAD + "a,c.nii.gz,1\n"), "names no file"),
    "image outside": (_manifest(HEAD + "a,../a.nii.gz,1\n"), "leaves the manifest's folder"),
    "image outside, hidden": (_manifest(HEAD + "a,x/../../a.nii.gz,1\n"), "leaves the manifest's folder"),
    "bids without label": (_bids("participant_id\tage\nsub-01\t60\n"), "column `label` is missing"),
    "bids label n/a": (_bids("participant_id\tlabel\nsub-01\tn/a\n"), "`label` is missing"),
    "bids no row": (_bids("participant_id\tlabel\nsub-02\t1\n"), "no row for sub-01"),
    "bids no image": (_bids("participant_id\tlabel\nsub-01\t1\nsub-02\t1\n"), "no .* image"),
    "bids twice": (_bids("participant_id\tlabel\nsub-01\t1\nsub-01\t1\n"), "occurs twice"),
    "label table lacks a scan": (_labels("scan\tlabel\nU/2\t1\n"), "'U/2' is no scan folder"),
    "label table is short": (lambda r: (wmh_cohort(r), _labels("scan\tlabel\nU/1\t1\n")(r)), "no row for"),
    "fractional mask": (_mask(lesions(3) * 0.5), "holds fractions"),
    "mask of 255": (_mask((lesions(3) > 0) * np.uint8(255)), "only 0 and 255"),
}


@pytest.mark.parametrize("case", COHORTS)
def test_unusable_cohort_is_refused_by_name(tmp_path: Path, case: str) -> None:
    root = tmp_path / "cohort"
    save(root / "a.nii.gz", brain(1))
    save(root / "b.nii.gz", brain(2))
    write, message = COHORTS[case]
    write(root)
    with pytest.raises(BadInput, match=message) as caught:
        read_cohort(root)
    assert str(root) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_arguments_are_refused(tmp_path: Path) -> None:
    root = wmh_cohort(tmp_path / "cohort")
    with pytest.raises(BadInput, match="no such file or folder"):
        read_cohort(root / "nowhere")
    with pytest.raises(BadInput, match="`layout` must be one of"):
        read_cohort(root, "dicom")
    with pytest.raises(BadInput, match="`label` must be one of"):
        read_cohort(root, label="litres")
    with pytest.raises(BadInput, match=r"pre/FLAIR\.nii\.gz below"):
        read_cohort(tmp_path / "cohort" / "Utrecht" / "0" / "pre", "wmh")
    with pytest.raises(BadInput, match="is a folder"):
        read_cohort(root / "Utrecht" / "0" / "wmh.nii.gz", "bids")


SPEC = Preprocessing(shape=(8, 8, 8))
SCANS: dict[str, tuple[np.ndarray, np.ndarray | None, Preprocessing, str]] = {
    "all zero": (brain() * 0, None, SPEC, "all voxels are zero"),
    "constant": (brain() * 0 + 7, None, SPEC, "constant"),
    "constant foreground": ((brain() > 0) * np.float32(3), None, SPEC, "constant"),
    "constant, unit": (brain() * 0 + 7, None, SPEC.model_copy(update={"intensities": "unit"}), "constant"),
    "no region mask": (brain(), None, SPEC.model_copy(update={"region": "mask"}), "needs a region mask"),
    "empty region": (brain(), lesions(3) * 0, SPEC.model_copy(update={"region": "mask"}), "mask is empty"),
    "mask of another shape": (
        brain(),
        lesions(3)[:-1],
        SPEC.model_copy(update={"region": "mask"}),
        "differs from the scan's",
    ),
    "absurd spacing": (brain(), None, SPEC.model_copy(update={"spacing": (1e-4,) * 3}), "would need more"),
}


@pytest.mark.parametrize("case", SCANS)
def test_scan_that_cannot_be_preprocessed_is_named(tmp_path: Path, case: str) -> None:
    data, mask, spec, message = SCANS[case]
    image = save(tmp_path / "scan.nii.gz", data)
    region = None if mask is None else save(tmp_path / "mask.nii.gz", mask)
    with pytest.raises(BadInput, match=message) as caught:
        preprocess_files(image, region, None, spec)
    assert str(image) in str(caught.value)


def test_mask_elsewhere_in_the_world_is_refused(tmp_path: Path) -> None:
    affine = np.eye(4)
    affine[0, 3] = 5
    image = save(tmp_path / "scan.nii.gz", brain())
    lesion_mask = save(tmp_path / "mask.nii.gz", lesions(3), affine)
    with pytest.raises(BadInput, match=r"5\.0 mm away"):
        preprocess_files(image, None, lesion_mask, SPEC)
