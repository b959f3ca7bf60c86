"""Every way a scan, mask or table can be wrong: the command refuses in one line that names file and rule."""

import gzip
import io
import re
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nifti import brain, lesions, save, wmh_cohort, wmh_scan
from refusals import Refuse

from study.badinput import BadInput
from study.cohort.preprocess import Preprocessing
from study.cohort.volume import read_grid
from study.record import write_yaml
from study.regression.config import TrialConfig
from study.regression.model import save_networks
from study.regression.prediction import build_predictor
from study.regression.recipe import Recipe

SMALL = [
    "arms=[base]",
    "preprocessing.shape=[8,8,8]",
    "split.test=2",
    "validation.folds=2",
    "precision=float32",
]
HEAD = "id,image,label\n"


def manifest_cohort(root: Path, scans: int = 8) -> Path:
    """A cohort of files `0.nii.gz`, `1.nii.gz`, ... with a manifest, and a region mask for each."""
    rows = ["id,image,label,mask"]
    for i in range(scans):
        save(root / f"{i}.nii.gz", brain(i))
        save(root / f"{i}-mask.nii.gz", (brain(i) > 0).astype(np.uint8))
        rows.append(f"scan {i},{i}.nii.gz,{i + 1},{i}-mask.nii.gz")
    (root / "manifest.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `setsum export` writes, of an untrained network."""
    folder, config = tmp_path_factory.mktemp("export"), TrialConfig(views=1)
    save_networks(folder / "model.safetensors", [build_predictor(config)])
    recipe = Recipe(config=config, preprocessing=Preprocessing(shape=(8, 8, 8)))
    write_yaml(folder / "config.yaml", recipe.model_dump(mode="json"))
    return folder


def _header(path: Path, offset: int, value: bytes) -> None:
    """Overwrite bytes of a compressed file's NIfTI header."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[offset : offset + len(value)] = value
    path.write_bytes(gzip.compress(bytes(content)))


def _affine(path: Path, side: float, shear: float = 0) -> None:
    """State voxels of `side` mm; with `shear` 1, two axes are the same."""
    rows = np.diag([side] * 3 + [0])[:3].astype("<f4")
    rows[0, 1] = shear * side
    rows[1, 1] *= 1 - shear
    _header(path, 252, _shorts(0, 2) + bytes(24) + rows.tobytes())


def _extend(path: Path, size: int) -> None:
    """Far more voxels than the header promises, and the first of them not finite."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[352:356] = np.float32(np.nan).tobytes()
    path.write_bytes(gzip.compress(bytes(content) + bytes(size), 1))


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


_BLANK = nib.Nifti1Header().binaryblock
FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (Path.unlink, "no such file|names no file"),
    "folder": (lambda p: (p.unlink(), p.mkdir()), "no such file|names no file|in this folder"),
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
    "negative size": (lambda p: _header(p, 40, _shorts(3, -12, 14, 10)), "must be 3D|cannot be read"),
    "absurd size": (lambda p: _header(p, 40, _shorts(3, 32767, 32767, 32767)), "voxels"),
    "more than the file holds": (lambda p: _header(p, 40, _shorts(3, 500, 500, 500)), "truncated"),
    "absurd offset": (lambda p: _header(p, 108, np.float32(1e12).tobytes()), "truncated|cannot be read"),
    "offset in the header": (lambda p: _header(p, 108, np.float32(0).tobytes()), "begin within the header"),
    "negative offset": (lambda p: _header(p, 108, np.float32(-1e9).tobytes()), "cannot be read"),
    "offset of nan": (lambda p: _header(p, 108, np.float32(np.nan).tobytes()), "cannot be read"),
    "infinite intercept": (
        lambda p: _header(p, 112, np.float32([1, np.inf]).tobytes()),
        "cannot be read|NaN",
    ),
    "microscopic voxels": (lambda p: _affine(p, 1e-30), "voxels of 1e-30"),
    "astronomic voxels": (lambda p: _affine(p, 1e30), "voxels of 1e\\+30"),
    "flat axes": (lambda p: _affine(p, 1, shear=1), "affine is singular"),
    "header of another format": (lambda p: _header(p, 0, b"\x89PNG"), "no NIfTI header"),
    "header alone": (
        lambda p: p.write_bytes(gzip.compress(nib.Nifti1Header().binaryblock)),
        "must be 3D|magic",
    ),
    "half a header": (lambda p: p.write_bytes(gzip.compress(b"\x5c\x01\0\0" * 20)), "no NIfTI header"),
    "a bomb": (lambda p: p.write_bytes(gzip.compress(bytes(2**26), 1)), "no NIfTI header"),
    "a bomb behind a header": (lambda p: _extend(p, 2**26), "1 voxels are NaN"),
    "unknown type": (lambda p: _header(p, 70, _shorts(9999)), "cannot be read|real numbers"),
    "complex": (lambda p: save(p, brain().astype(np.complex64)), "real numbers"),
    "nan": (_with_nan(np.nan), "1 voxels are NaN"),
    "inf": (_with_nan(np.inf), "1 voxels are NaN"),
    "beyond float32": (lambda p: save(p, brain().astype(np.float64) * 1e300), "NaN or infinite"),
    "singular affine": (lambda p: _header(p, 254, _shorts(1) + np.zeros(12, "<f4").tobytes()), "affine|read"),
}


@pytest.mark.parametrize("case", FILES)
def test_damaged_scan_is_named(tmp_path: Path, case: str, export: Path, refuse: Refuse) -> None:
    break_it, message = FILES[case]
    path = manifest_cohort(tmp_path / "cohort") / "3.nii.gz"
    break_it(path)
    for line in (
        refuse("run", "--cohort", path.parent, "--out", tmp_path / "deep" / "study", *SMALL),
        refuse("predict", export, path.parent / "2.nii.gz", path),
    ):
        assert re.search(message, line)
        assert "3.nii.gz" in line


def test_other_formats_are_refused(tmp_path: Path, export: Path, refuse: Refuse) -> None:
    (tmp_path / "scan.png").write_bytes(b"x")
    assert "must be a .nii or .nii.gz file" in refuse("predict", export, "scan.png")
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


def _no(root: Path) -> Path:
    """The folder without the image of its one scan."""
    (root / "U/1/pre/FLAIR.nii.gz").unlink()
    return root


def _linked(image: str, target: str, *, folder: bool = False) -> Callable[[Path], object]:
    def write(root: Path) -> None:
        save(root.parent / "secret" / "z.nii.gz", brain(9))
        (root / image).parent.mkdir(parents=True, exist_ok=True)
        (root / image).symlink_to(target, target_is_directory=folder)

    return write


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
    "image with a name too long": (_manifest(HEAD + f"a,{'x' * 5000}.nii.gz,1\n"), "names no file"),
    "image with a null byte": (_manifest(HEAD + "a,a\0.nii.gz,1\n"), "names no file|as a table"),
    "image is a folder": (_manifest(HEAD + "a,.,1\n"), "names no file"),
    "image linked from outside": (
        lambda r: (_linked("l.nii.gz", "../secret/z.nii.gz")(r), _manifest(HEAD + "a,l.nii.gz,1\n")(r)),
        "`image` is a link out of the cohort's folder",
    ),
    "image in a linked folder": (
        lambda r: (_linked("l", "../secret", folder=True)(r), _manifest(HEAD + "a,l/z.nii.gz,1\n")(r)),
        "`image` is a link out of the cohort's folder",
    ),
    "mask linked from outside": (
        lambda r: (
            _linked("l.nii.gz", "../secret/z.nii.gz")(r),
            _manifest("id,image,label,mask\na,a.nii.gz,1,l.nii.gz\n")(r),
        ),
        "`mask` is a link out",
    ),
    "links in a circle": (
        lambda r: (_linked("l.nii.gz", "l.nii.gz")(r), _manifest(HEAD + "a,l.nii.gz,1\n")(r)),
        "names no file|cannot be followed",
    ),
    "wmh image linked from outside": (
        lambda r: (wmh_scan(r / "U" / "1", 1, 3), _linked("U/1/pre/FLAIR.nii.gz", "/etc/hostname")(_no(r))),
        "link out of the cohort",
    ),
    "bids image linked from outside": (
        lambda r: (
            _linked("sub-01/anat/sub-01_FLAIR.nii.gz", "../../../secret/z.nii.gz")(r),
            (r / "participants.tsv").write_text("participant_id\tlabel\nsub-01\t1\n"),
        ),
        "link out of the cohort",
    ),
    "backslash in id": (_manifest(HEAD + "x\\a,a.nii.gz,1\n"), "slashes"),
    "id that turns text around": (_manifest(HEAD + "x\u202ea,a.nii.gz,1\n"), "control"),
    "terminal codes in id": (_manifest(HEAD + "\x1b[2Jx,a.nii.gz,1\n"), "control"),
    "endless cell": (_manifest(HEAD + f"a,a.nii.gz,{'1' * 200_000}\n"), "as a table"),
    "open quote": (_manifest(HEAD + '"a,a.nii.gz,1\n'), "as a table"),
    "label beyond float32": (_manifest(HEAD + "a,a.nii.gz,1e300\n"), r"at most 1e\+15"),
    "truth of words": (_manifest("id,image,label,truth\na,a.nii.gz,1,few\n"), "`truth` must be"),
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
def test_unusable_cohort_is_refused_by_name(tmp_path: Path, case: str, refuse: Refuse) -> None:
    root = tmp_path / "cohort"
    save(root / "a.nii.gz", brain(1))
    save(root / "b.nii.gz", brain(2))
    write, message = COHORTS[case]
    write(root)
    for line in (
        refuse("inspect", root),
        refuse("run", "--cohort", root, "--out", tmp_path / "study", *SMALL),
    ):
        assert re.search(message, line)
        assert str(root) in line


MASKED = ["preprocessing.region=mask"]
SCANS: dict[str, tuple[Callable[[Path], object], list[str], str]] = {
    "all zero": (lambda r: save(r / "3.nii.gz", brain() * 0), [], "all voxels are zero"),
    "constant": (lambda r: save(r / "3.nii.gz", brain() * 0 + 7), [], "constant"),
    "constant foreground": (lambda r: save(r / "3.nii.gz", (brain() > 0) * np.float32(3)), [], "constant"),
    "constant, unit": (
        lambda r: save(r / "3.nii.gz", brain() * 0 + 7),
        ["preprocessing.intensities=unit"],
        "constant",
    ),
    "no region mask": (
        lambda r: _manifest(HEAD + "".join(f"{i},{i}.nii.gz,{i}\n" for i in range(8)))(r),
        MASKED,
        "needs a region mask",
    ),
    "empty region": (lambda r: save(r / "3-mask.nii.gz", lesions(3) * 0), MASKED, "mask is empty"),
    "mask of another shape": (
        lambda r: save(r / "3-mask.nii.gz", lesions(3)[:-1]),
        MASKED,
        "differs from the scan's",
    ),
    "mask elsewhere in the world": (
        lambda r: save(r / "3-mask.nii.gz", lesions(3), _shifted(5)),
        MASKED,
        r"5\.0 mm away",
    ),
    "the same image twice": (
        lambda r: (r / "3.nii.gz").write_bytes((r / "5.nii.gz").read_bytes()),
        [],
        "same image, byte for byte",
    ),
    "absurd spacing": (lambda r: None, ["preprocessing.spacing=[0.0001,0.0001,0.0001]"], "would need more"),
    "lopsided spacing": (lambda r: None, ["preprocessing.spacing=[1e-30,1e30,1.0]"], "would need more"),
}


def _shifted(millimetres: float) -> np.ndarray:
    affine = np.eye(4)
    affine[0, 3] = millimetres
    return affine


@pytest.mark.parametrize("case", SCANS)
def test_scan_that_cannot_be_preprocessed_is_named(tmp_path: Path, case: str, refuse: Refuse) -> None:
    break_it, fields, message = SCANS[case]
    root = manifest_cohort(tmp_path / "cohort")
    break_it(root)
    line = refuse("run", "--cohort", root, "--out", tmp_path / "study", *SMALL, *fields)
    assert re.search(message, line)
    assert str(root) in line


def test_a_file_that_may_not_be_read_is_refused(
    tmp_path: Path, export: Path, refuse: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests may run as root, who may read everything: opening itself is made to fail."""
    root = manifest_cohort(tmp_path / "cohort")
    opened = io.open

    def locked(path: object, *arguments: object, **options: object) -> object:
        if str(path).endswith("3.nii.gz"):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr("io.open", locked)
    monkeypatch.setattr("builtins.open", locked)
    for line in (
        refuse("run", "--cohort", root, "--out", tmp_path / "study", *SMALL),
        refuse("predict", export, root / "3.nii.gz"),
    ):
        assert "Permission denied" in line
        assert "3.nii.gz" in line
