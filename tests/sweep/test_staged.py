"""A node's copy of a cohort: made once, keyed by fingerprint, under a lock, and not taken when damaged."""

import hashlib
import multiprocessing
import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tiny

from study.badinput import BadInput
from study.cohort.arrays import FILES, open_arrays
from study.sweep.staged import stage


class Files:
    """A source that writes down what it hands out."""

    def __init__(self, arrays, log, *, cut=0):
        self.arrays, self.log, self.cut = arrays, log, cut

    def digest(self):
        return hashlib.sha256((self.arrays / "images.npy").read_bytes()).hexdigest()

    def parts(self, name):
        with self.log.open("a") as stream:
            stream.write(f"{name}\n")
        content = (self.arrays / name).read_bytes()
        yield content[:1000]
        yield content[1000 : len(content) - self.cut]


@pytest.fixture
def source(tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    return Files(tiny.write_cohort(tmp_path / "cohort"), tmp_path / "log")


def handed_out(source):
    return source.log.read_text().splitlines()


def test_a_copy_is_the_cohort_and_is_made_once(source):
    first, second = stage("tiny", source), stage("tiny", source)
    assert first == second
    assert first.name == "tiny"
    assert handed_out(source) == list(FILES)
    copied, original = open_arrays(first), open_arrays(source.arrays)
    np.testing.assert_array_equal(copied.images_MDHW, original.images_MDHW)
    assert (copied.ids, copied.fingerprint) == (original.ids, original.fingerprint)


def stage_when_all_are_there(barrier, source):
    barrier.wait()
    stage("tiny", source)


def test_processes_that_start_at_once_make_one_copy(source):
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(4)
    running = [context.Process(target=stage_when_all_are_there, args=(barrier, source)) for _ in range(4)]
    for process in running:
        process.start()
    for process in running:
        process.join()
    assert [process.exitcode for process in running] == [0] * 4
    assert handed_out(source) == list(FILES)


def truncate(copy):
    os.truncate(copy / "images.npy", 5000)


def lose(copy, name):
    (copy / name).unlink()


@pytest.mark.parametrize(
    "damage", [truncate, *(partial(lose, name=name) for name in (*FILES, "images.sha256"))]
)
def test_a_copy_that_is_not_whole_is_made_again(source, damage):
    damage(stage("tiny", source))
    arrays = open_arrays(stage("tiny", source))
    np.testing.assert_array_equal(arrays.images_MDHW, open_arrays(source.arrays).images_MDHW)
    assert len(handed_out(source)) == 2 * len(FILES)


def test_arrays_that_another_version_made_of_the_same_scans_are_not_taken(source):
    stage("tiny", source)
    other = np.load(source.arrays / "images.npy") + 1
    np.save(source.arrays / "images.npy", other)
    np.testing.assert_array_equal(open_arrays(stage("tiny", source)).images_MDHW, other)


def test_a_copy_cut_short_on_the_way_is_no_copy(source):
    source.cut = 100
    with pytest.raises(OSError, match="while it was copied"):
        stage("tiny", source)
    source.cut = 0
    assert open_arrays(stage("tiny", source)).fingerprint == "tiny"


def test_what_a_killed_process_left_half_copied_is_removed(source):
    copy = stage("tiny", source)
    truncate(copy)
    (copy / ".images.npy.abc.part").write_bytes(b"half")
    stage("tiny", source)
    assert {path.name for path in copy.iterdir()} == {*FILES, "images.sha256", ".lock"}


def test_others_may_not_read_the_scans(source):
    assert stage("tiny", source).parent.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_somebody_else_could_have_prepared_is_refused(source, tmp_path):
    folder = tmp_path / "temporary" / f"setsum-cohorts-{os.getuid()}"
    folder.symlink_to(tmp_path / "temporary")
    with pytest.raises(BadInput, match="not this user's own"):
        stage("tiny", source)
    folder.unlink()
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(BadInput, match="not this user's own"):
        stage("tiny", source)
    assert not list(Path(folder).iterdir())
