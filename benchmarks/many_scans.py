"""`python -m benchmarks.many_scans FOLDER SCANS`: preprocess a cohort of NIfTI files; the memory it took.

The last line is JSON: seconds of the preprocessing, and the most that the process and its threads had
in memory of their own at any scan, above what they had before.
"""

import json
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np

from benchmarks.processes import resident_mb
from study.cohort.arrays import build_arrays
from study.cohort.preprocess import Preprocessing
from study.cohort.scans import read_cohort

SIDE, WORKERS = 32, 2


def write_scans(folder: Path, scans: int) -> None:
    """So many images of noise with a manifest."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    lines = ["id,image,label"]
    for number in range(scans):
        image = rng.integers(1, 1000, (SIDE, SIDE, SIDE), dtype=np.int16)
        nib.save(nib.Nifti1Image(image, np.eye(4)), folder / f"{number}.nii")
        lines.append(f"scan-{number},{number}.nii,{number % 50}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")


def main(folder: Path, scans: int) -> None:
    """Write, preprocess, measure."""
    write_scans(folder / "scans", scans)
    cohort = read_cohort(folder / "scans" / "manifest.csv")
    start, before, most = time.perf_counter(), resident_mb(), 0.0

    def look(done: int, total: int) -> None:
        nonlocal most
        most = max(most, resident_mb())

    shape = (SIDE, SIDE, SIDE)
    build_arrays(cohort, Preprocessing(shape=shape), folder / "arrays", workers=WORKERS, progress=look)
    print(json.dumps({"seconds": time.perf_counter() - start, "mb": most - before}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
