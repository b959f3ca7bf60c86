"""What is said of a node on which trials could not run."""

import sys

import numpy as np
import pytest
import tiny

from study.record import write_text
from study.sweep.assignment import Assignment
from study.sweep.nodes import MARKER, look
from study.sweep.place import below, exists, write


@pytest.fixture
def assignment(tmp_path):
    return Assignment(
        arrays=tiny.write_cohort(tmp_path / "cohort"),
        fingerprint="tiny",
        development=np.arange(20),
        folds=tiny.folds_of(20),
        seed=0,
        view_seed=0,
        threads=1,
        gpus=0,
    )


@pytest.fixture
def marker(tmp_path):
    path = tmp_path / "marker"
    write_text(path, MARKER)
    return path


def test_a_node_where_all_is_well_leaves_a_proof_that_it_wrote(assignment, marker):
    assert look(str(marker), "ab12", assignment) == ""
    assert marker.with_name("ab12").is_file()


def test_a_folder_that_is_not_the_driver_s_is_told_from_one_that_cannot_be_written(assignment, marker):
    marker.with_name("full").mkdir()
    assert "Is a directory" in look(str(marker), "full", assignment)
    marker.write_text("somebody else's")
    assert "another file" in look(str(marker), "ab12", assignment)
    marker.unlink()
    assert "does not see" in look(str(marker), "ab12", assignment)


def test_a_missing_library_is_named(assignment, marker, monkeypatch):
    monkeypatch.delitem(sys.modules, "study.sweep.confirm_job", raising=False)
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    monkeypatch.delitem(sys.modules, "study.regression.model", raising=False)
    assert "safetensors" in look(str(marker), "ab12", assignment)


def test_a_cohort_that_cannot_be_opened_is_told(assignment, marker):
    (assignment.arrays / "images.npy").unlink()
    assert "cohort" in look(str(marker), "ab12", assignment)


def test_a_bucket_is_tried_like_a_folder(assignment, bucket):
    marker = below(bucket, "probe", "marker")
    assert "does not see" in look(marker, "ab12", assignment)
    write(marker, MARKER.encode())
    assert look(marker, "ab12", assignment) == ""
    assert exists(below(bucket, "probe", "ab12"))
