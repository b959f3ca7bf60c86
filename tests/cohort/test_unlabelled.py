"""Scans to predict are found however they are named, with the ids that a cohort would give them."""

import os

import pytest
from nifti import brain, save, wmh_cohort

from study.badinput import BadInput
from study.cohort.scans import read_cohort
from study.cohort.unlabelled import find_scans


@pytest.fixture
def folder(tmp_path):
    for name in ("b.nii.gz", "a.nii", "deep/c.NII.GZ", ".hidden/d.nii.gz", "deep/._e.nii.gz"):
        (tmp_path / "scans" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "scans" / name).touch()
    (tmp_path / "scans" / "notes.txt").touch()
    return tmp_path / "scans"


def ids(*named, suffix="FLAIR"):
    return [scan.id for scan in find_scans(named, suffix)]


def test_files_keep_their_order_and_the_names_they_were_given(folder):
    named = [folder / "b.nii.gz", folder / "a.nii"]
    assert ids(*named) == [str(path) for path in named]


def test_a_folder_is_searched_and_sorted_without_hidden_files(folder):
    assert ids(folder) == [str(folder / name) for name in ("a.nii", "b.nii.gz", "deep/c.NII.GZ")]


def test_patterns_match_as_in_a_shell(folder):
    assert ids(folder / "*.nii*") == [str(folder / "a.nii"), str(folder / "b.nii.gz")]
    assert ids(folder / "**" / "c.*") == [str(folder / "deep" / "c.NII.GZ")]


def test_a_file_whose_name_is_a_pattern_is_that_file(tmp_path):
    (tmp_path / "scan[1].nii").touch()
    assert ids(tmp_path / "scan[1].nii") == [str(tmp_path / "scan[1].nii")]


@pytest.mark.parametrize("session", ["", "ses-2/"])
def test_a_bids_folder_needs_no_labels(tmp_path, session):
    tag = session.replace("/", "_")
    for person in ("02", "01"):
        for suffix in ("FLAIR", "T1w"):
            save(tmp_path / f"sub-{person}/{session}anat/sub-{person}_{tag}{suffix}.nii.gz", brain())
    assert ids(tmp_path) == [f"sub-01_{tag}".rstrip("_"), f"sub-02_{tag}".rstrip("_")]
    assert [scan.image.name for scan in find_scans([tmp_path], "T1w")] == [
        f"sub-01_{tag}T1w.nii.gz",
        f"sub-02_{tag}T1w.nii.gz",
    ]
    with pytest.raises(BadInput, match=r"no sub-\*/\[ses-\*/\]anat/\*_bold"):
        find_scans([tmp_path], "bold")


def test_the_challenges_folders_give_images_and_never_lesion_masks(tmp_path):
    root = wmh_cohort(tmp_path)
    expected = {scan.id: scan.image for scan in read_cohort(root).scans}
    assert {scan.id: scan.image for scan in find_scans([root])} == expected
    next(root.rglob("wmh.nii.gz")).unlink()
    assert {scan.id: scan.image for scan in find_scans([root])} == expected


def test_a_manifest_needs_no_labels_and_brings_masks(tmp_path):
    for name in ("a.nii", "b.nii", "mask.nii"):
        (tmp_path / name).touch()
    (tmp_path / "manifest.csv").write_text("id,image,mask\nlast,b.nii,mask.nii\nfirst,a.nii,\n")
    for named in (tmp_path, tmp_path / "manifest.csv"):
        last, first = find_scans([named])
        assert (last.id, last.image, last.mask) == ("last", tmp_path / "b.nii", tmp_path / "mask.nii")
        assert (first.id, first.mask) == ("first", None)


def test_a_scan_named_twice_is_refused_by_any_of_its_names(folder):
    with pytest.raises(BadInput, match="occurs twice"):
        find_scans([folder, folder / "a.nii"])
    (folder / "link.nii").symlink_to("a.nii")
    with pytest.raises(BadInput, match=r"this scan occurs twice, also as .*a\.nii"):
        find_scans([folder])


def test_an_id_that_occurs_twice_is_refused(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.nii").touch()
        (tmp_path / name / "manifest.csv").write_text("id,image\nsame,x.nii\n")
    with pytest.raises(BadInput, match=r"the id 'same' occurs twice, also as .*one"):
        find_scans([tmp_path / "one", tmp_path / "two"])


def test_a_link_out_of_a_folder_is_refused(folder, tmp_path):
    (tmp_path / "elsewhere.nii").touch()
    (folder / "z.nii").symlink_to(tmp_path / "elsewhere.nii")
    with pytest.raises(BadInput, match="link out of"):
        find_scans([folder])


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("*.mgz", "no file matches"),
        ("empty", "no .nii or .nii.gz"),
        ("*" + "x" * 300, "cannot be searched|no file"),
    ],
)
def test_nothing_there_is_refused(tmp_path, name, says):
    os.mkdir(tmp_path / "empty")  # noqa: PTH102
    with pytest.raises(BadInput, match=says):
        find_scans([tmp_path / name])
