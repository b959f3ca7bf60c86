"""A built cohort is whole or absent, the same from any number of threads, and reused when unchanged."""

import json
import os
import pickle
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from nifti import brain, save, wmh_cohort

import study
from study.badinput import BadInput
from study.cohort import arrays as arrays_module
from study.cohort.arrays import build_arrays, open_arrays
from study.cohort.preprocess import Preprocessing, preprocess_files
from study.cohort.scans import Cohort, read_cohort

SPEC = Preprocessing(shape=(8, 8, 8))


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    return read_cohort(wmh_cohort(tmp_path / "cohort"))


def test_holds_what_preprocessing_gives(cohort: Cohort, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    built = build_arrays(cohort, SPEC, tmp_path / "built", progress=lambda *step: told.append(step))
    assert built.ids == tuple(scan.id for scan in cohort.scans)
    assert built.labels.tolist() == [scan.label for scan in cohort.scans]
    assert built.labels.dtype == np.float64
    assert np.isnan(built.truths).all()
    assert (built.layout, built.unit, built.source) == ("wmh", "voxels", str(cohort.root))
    assert told[-1] == (6, 6)
    assert told == sorted(told)
    for i, scan in enumerate(cohort.scans):
        one = preprocess_files(scan.image, scan.mask, scan.lesion_mask, SPEC)
        np.testing.assert_array_equal(built.images_MDHW[i], one.image_DHW)
        np.testing.assert_array_equal(built.affines[i], one.affine)
        assert built.lesion_share_lost[i] == one.lesion_share_lost


def test_images_cannot_be_written(cohort: Cohort, tmp_path: Path) -> None:
    built = build_arrays(cohort, SPEC, tmp_path / "built")
    assert isinstance(built.images_MDHW, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        built.images_MDHW[0] = 0


def test_threads_give_the_same_bytes_as_one(cohort: Cohort, tmp_path: Path) -> None:
    for workers in (1, 2):
        build_arrays(cohort, SPEC, tmp_path / str(workers), workers=workers)
    for name in ("images.npy", "cohort.json"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


KILLED = """
import os, signal, sys
from pathlib import Path
from study.cohort.arrays import build_arrays
from study.cohort.preprocess import Preprocessing
from study.cohort.scans import read_cohort

def tell(done, total):
    me = os.getpid()
    print("children:", Path(f"/proc/{me}/task/{me}/children").read_text(), flush=True)
    os.kill(me, signal.SIGKILL)

if __name__ == "__main__":
    cohort, out = read_cohort(sys.argv[1]), Path(sys.argv[2])
    build_arrays(cohort, Preprocessing(shape=(8, 8, 8)), out, workers=2, progress=tell)
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc")
def test_killed_build_leaves_no_process_and_can_be_run_again(cohort: Cohort, tmp_path: Path) -> None:
    script, out = tmp_path / "killed.py", tmp_path / "built"
    script.write_text(KILLED)
    command = [sys.executable, str(script), str(cohort.root), str(out)]
    environment = os.environ | {"PYTHONPATH": str(Path(study.__file__).parents[1])}
    # Its output would end only when the last process that inherited it had ended.
    ended = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    assert ended.stdout.split() == ["children:"]
    with pytest.raises(BadInput, match="no preprocessed cohort"):
        open_arrays(out)
    assert len(build_arrays(cohort, SPEC, out).ids) == 6
    assert sorted(path.name for path in out.iterdir()) == ["cohort.json", "images.npy"]


def test_error_in_a_thread_names_scan_and_file(cohort: Cohort, tmp_path: Path) -> None:
    broken = cohort.scans[3].image
    save(broken, brain() * 0)
    with pytest.raises(BadInput, match=r"Singapore-50.*all voxels are zero") as caught:
        build_arrays(cohort, SPEC, tmp_path / "built", workers=2)
    assert str(broken) in str(caught.value)
    assert list((tmp_path / "built").iterdir()) == []


def test_unchanged_cohort_is_reused(cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = build_arrays(cohort, SPEC, tmp_path / "built")
    monkeypatch.setattr(arrays_module, "preprocessed", lambda *_: pytest.fail("preprocessed again"))
    again = build_arrays(cohort, SPEC, tmp_path / "built")
    assert again.fingerprint == first.fingerprint
    np.testing.assert_array_equal(again.images_MDHW, first.images_MDHW)


def test_reuse_takes_over_new_sites_and_groups(cohort: Cohort, tmp_path: Path) -> None:
    first = build_arrays(cohort, SPEC, tmp_path / "built")
    renamed = replace(cohort, scans=tuple(replace(scan, site="new", truth=1.5) for scan in cohort.scans))
    again = build_arrays(renamed, SPEC, tmp_path / "built")
    assert again.fingerprint == first.fingerprint
    assert set(again.sites) == {"new"}
    assert again.truths.tolist() == [1.5] * 6


def test_any_change_of_content_changes_the_fingerprint(cohort: Cohort, tmp_path: Path) -> None:
    def digest(changed: Cohort, spec: Preprocessing = SPEC) -> str:
        return build_arrays(changed, spec, tmp_path / "built").fingerprint

    scans = cohort.scans
    seen = [
        digest(cohort),
        digest(replace(cohort, scans=scans[1:])),
        digest(replace(cohort, scans=(replace(scans[0], label=99.0), *scans[1:]))),
        digest(replace(cohort, scans=(replace(scans[0], id="other"), *scans[1:]))),
        digest(cohort, SPEC.model_copy(update={"shape": (8, 8, 9)})),
    ]
    save(scans[0].image, brain(77))
    seen.append(digest(cohort))
    assert len(set(seen)) == len(seen)


def test_two_scans_of_the_same_bytes_are_refused(cohort: Cohort, tmp_path: Path) -> None:
    cohort.scans[1].image.write_bytes(cohort.scans[0].image.read_bytes())
    with pytest.raises(BadInput, match=r"'Amsterdam-GE3T-100' and 'Amsterdam-GE3T-101'.*byte for byte"):
        build_arrays(cohort, SPEC, tmp_path / "built")


def _truncate(directory: Path) -> None:
    path = directory / "images.npy"
    path.write_bytes(path.read_bytes()[:-100])


def _edit(directory: Path, **fields: object) -> None:
    path = directory / "cohort.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


DAMAGE = {
    "no record": lambda d: (d / "cohort.json").unlink(),
    "no images": lambda d: (d / "images.npy").unlink(),
    "truncated images": _truncate,
    "pickled images": lambda d: (d / "images.npy").write_bytes(pickle.dumps([1, 2, 3])),
    "images of another shape": lambda d: np.save(d / "images.npy", np.zeros((6, 8, 8, 9), np.float32)),
    "torn record": lambda d: (d / "cohort.json").write_text('{"ids": ["a"'),
    "record of another format": lambda d: _edit(d, format=2),
    "too few labels": lambda d: _edit(d, labels=[1.0]),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_refused_and_built_anew(cohort: Cohort, tmp_path: Path, damage: str) -> None:
    directory = tmp_path / "built"
    whole = np.array(build_arrays(cohort, SPEC, directory).images_MDHW)
    DAMAGE[damage](directory)
    with pytest.raises(BadInput) as caught:
        open_arrays(directory)
    assert str(directory) in str(caught.value)
    (directory / ".images.npy.left").write_bytes(b"of a killed run")
    np.testing.assert_array_equal(build_arrays(cohort, SPEC, directory).images_MDHW, whole)
    assert sorted(path.name for path in directory.iterdir()) == ["cohort.json", "images.npy"]
