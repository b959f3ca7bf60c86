"""Coverage-guided fuzzing of the NIfTI reading path: `make fuzz` (a script, not collected by pytest).

Every input becomes a file that `read_volume`, `read_stored`, `read_grid` and `preprocess` get to see,
as bytes that claim to be `.nii` or `.nii.gz`, or compressed here so that mutations reach what lies
behind gzip. Its first byte chooses which of these. Any exception but BadInput, and any memory beyond
libFuzzer's limit, is a finding; libFuzzer writes the input that made it to the working directory.

    python tests/fuzz_nifti.py -max_total_time=600
"""

import gzip
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import atheris
import numpy as np

with atheris.instrument_imports(include=["nibabel", "study"]):
    import nibabel as nib

    from study.badinput import BadInput
    from study.cohort import preprocess as preprocessing
    from study.cohort import volume

PLAIN, COMPRESSED, AS_GZIP = 0, 1, 2
SPECS = (
    preprocessing.Preprocessing(shape=(6, 7, 8)),
    preprocessing.Preprocessing(shape=(4, 4, 4), intensities="unit", spacing=(1.5, 1.0, 2.0)),
    preprocessing.Preprocessing(shape=(6, 6, 6), region="mask", dtype="float16"),
)
MEMORY_MB, LONGEST = 1024, 4096

# A scan may be as large as the machine; here it only makes fuzzing slow.
volume.MAX_VOXELS = preprocessing.MAX_VOXELS = 2**16


def corpus() -> Iterator[bytes]:
    """Small valid files: number types, byte orders, both NIfTI versions, scaling, 4D, an oblique affine."""
    rng = np.random.default_rng(0)
    data = rng.uniform(0, 90, (4, 5, 6))
    oblique = np.array([[0.0, -2, 0.1, 5], [1, 0, 0, -3], [0, 0.1, 1.5, 2], [0, 0, 0, 1]])
    for kind in (nib.Nifti1Image, nib.Nifti2Image):
        for dtype in ("<f4", ">f4", "<f8", "<i2", ">i2", "u1", "<u4"):
            header = kind.header_class(endianness=">" if dtype[0] == ">" else "<")
            yield kind(data.astype(dtype), np.diag([1.0, 2, 3, 1]), header).to_bytes()
        yield kind(data.astype("<f4")[..., None], oblique).to_bytes()
        scaled = kind(data.astype("<i2"), oblique)
        scaled.header.set_slope_inter(0.5, -3)
        scaled.header.set_xyzt_units("mm")
        yield scaled.to_bytes()
        scaled.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"an extension"))
        yield scaled.to_bytes()


def one_input(data: bytes) -> None:
    """Read and preprocess one file as a study would."""
    mode, content = (data[0] % 3, data[1:]) if data else (PLAIN, b"")
    path = FOLDER / ("scan.nii" if mode == PLAIN else "scan.nii.gz")
    path.write_bytes(gzip.compress(content, 1) if mode == COMPRESSED else content)
    for read in (volume.read_grid, preprocess):
        try:
            read(path)
        except BadInput as error:
            if "\n" in str(error) or str(path) not in str(error):
                raise AssertionError("a refusal is one line that names its file") from error


def preprocess(path: Path) -> None:
    scan, plain = volume.read_stored(path), volume.read_volume(path)
    assert plain.data.dtype == np.float32
    assert np.isfinite(plain.data).all()
    assert np.isfinite(plain.affine).all()
    np.testing.assert_array_equal(scan.data, plain.data)
    for spec in SPECS:
        image_DHW, _, affine = preprocessing.preprocess(scan, scan, None, spec, where=str(path))
        assert image_DHW.shape == spec.shape
        assert np.isfinite(image_DHW).all()
        assert np.isfinite(affine).all()


def main() -> None:
    seeds = FOLDER / "corpus"
    seeds.mkdir()
    for number, content in enumerate(corpus()):
        for mode, body in ((PLAIN, content), (COMPRESSED, content), (AS_GZIP, gzip.compress(content))):
            (seeds / f"{number}-{mode}").write_bytes(bytes([mode]) + body)
    limits = [f"-rss_limit_mb={MEMORY_MB}", f"-max_len={LONGEST}", "-timeout=20", "-use_value_profile=1"]
    atheris.Setup([sys.argv[0], *limits, *sys.argv[1:], str(seeds)], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        FOLDER = Path(folder)
        main()
