"""Building a cohort's arrays from `.nii.gz` against decompressing the same files and nothing else.

60 scans of 256 x 256 x 48 int16 as a scanner writes them, by as many threads on either side as there
are cores. The folder is in memory where the system has one, so that no disk is measured; the arrays
are written there as well, and the fingerprint (a hash of every file) is part of the building.
"""

import gzip
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import nibabel
import numpy as np
from isal import igzip, isal_zlib
from scipy import ndimage

from benchmarks.measure import compared, interleaved, publish
from study.cohort.arrays import build_arrays
from study.cohort.fingerprint import fingerprint
from study.cohort.preprocess import Preprocessing
from study.cohort.scan import Cohort, Scan

SCANS, SHAPE, CROP = 60, (256, 256, 48), (128, 128, 32)
ROUNDS, TRIED = 15, 12


def measure() -> None:
    """Time building and decompressing in turn."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in there
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        cohort = write_scans(Path(name))
        paths = [scan.image for scan in cohort.scans]
        readers = decompressors(SHAPE)
        tried = interleaved(
            {name: partial(read_all, r, paths[:TRIED]) for name, r in readers.items()}, rounds=9
        )
        fastest = min(tried, key=lambda name: float(tried[name].min()))
        seconds = timed(cohort, partial(read_all, readers[fastest], paths), Path(name))
        size = sum(path.stat().st_size for path in paths)
    what = f"{SCANS} scans {' x '.join(map(str, SHAPE))} int16 to {' x '.join(map(str, CROP))} float32"
    alone, least = f"decompression by {fastest}", "that, hashing the files, writing the result"
    rows = [
        compared(what, seconds["ours"], alone, seconds["decompression"], target="<= 1.4"),
        compared(what, seconds["ours"], least, seconds["least"]),
    ]
    others = ", ".join(f"{name} {s.min() / TRIED * 1e3:.3g} ms a scan" for name, s in tried.items())
    compression = size / (SCANS * np.prod(SHAPE) * 2)
    notes = [f"decompressors: {others}", f"files compressed to {compression:.2f} of their voxels' size"]
    publish("preprocessing", "preprocessing against decompression alone", rows, notes)


def timed(cohort: Cohort, decompression: Callable[[], None], folder: Path) -> dict[str, np.ndarray]:
    """Seconds of ours, of decompression, and of the least that any preprocessing here would have to do."""
    spec, built = Preprocessing(shape=CROP), folder / "built"
    voxels = np.ones(CROP, np.float32).data

    def ours() -> None:
        # What is there already would be reused.
        (built / "cohort.json").unlink(missing_ok=True)
        build_arrays(cohort, spec, built)

    def least() -> None:
        fingerprint(cohort, spec)
        decompression()
        with (folder / "written").open("wb") as stream:
            for _ in cohort.scans:
                stream.write(voxels)

    return interleaved({"ours": ours, "decompression": decompression, "least": least}, rounds=ROUNDS)


def decompressors(shape: tuple[int, ...]) -> dict[str, Callable[[Path], object]]:
    """Ways to decompress a whole file; `at once` is told the size, as a header tells it."""
    size = int(np.prod(shape)) * 2 + 352
    return {
        "gzip": lambda path: gzip.decompress(path.read_bytes()),
        "igzip": lambda path: igzip.decompress(path.read_bytes()),
        "igzip at once": lambda path: igzip.open(path).read(size + 1),
        "isal_zlib": lambda path: isal_zlib.decompress(path.read_bytes(), 31),
        "isal_zlib at once": lambda path: isal_zlib.decompressobj(31).decompress(path.read_bytes(), size + 1),
        **_zlib_ng(),
    }


def _zlib_ng() -> dict[str, Callable[[Path], object]]:
    try:
        from zlib_ng import gzip_ng
    except ModuleNotFoundError:
        return {}
    return {"gzip_ng": lambda path: gzip_ng.decompress(path.read_bytes())}


def read_all(reader: Callable[[Path], object], paths: list[Path]) -> None:
    """Decompress every file, dropping the content, by a thread a core."""

    def read(path: Path) -> None:
        reader(path)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(read, paths))


def write_scans(folder: Path) -> Cohort:
    """Heads full of noise in a field of zeros, 12 bits of intensity, compressed as nibabel does."""
    scans = []
    for number in range(SCANS):
        path = folder / f"{number}.nii.gz"
        voxels = head(np.random.default_rng(number))
        nibabel.save(nibabel.Nifti1Image(voxels, np.diag([-0.9, 0.9, 3.0, 1.0])), path)
        scans.append(Scan(id=str(number), image=path, label=float(number)))
    return Cohort(root=folder, layout="manifest", unit="label", scans=tuple(scans))


def head(rng: np.random.Generator) -> np.ndarray:
    """int16 of SHAPE: four tissues and a scalp under a sloping gain, Rician noise of a thirtieth."""
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, side) for side in SHAPE), indexing="ij", sparse=True)
    radius = (x / 0.68) ** 2 + (y / 0.85) ** 2 + (np.abs(z) / 1.05) ** 4
    coarse = ndimage.gaussian_filter(rng.normal(size=[side // 4 for side in SHAPE]), 1.5)
    tissue = ndimage.zoom(coarse / coarse.std(), 4, order=1)
    level = np.where(radius > 0.85, 600, 1200 + 500 * np.digitize(tissue, [-1, 0, 1])) * (1 + 0.2 * x)
    noisy = np.hypot(level + rng.normal(0, 60, SHAPE), rng.normal(0, 60, SHAPE))
    return np.where(radius < 1, np.rint(noisy), 0).astype(np.int16)
