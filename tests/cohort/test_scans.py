"""Each layout lists the same kind of cohort: ids, labels, sites and groups as its files say."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from nifti import brain, lesions, save, wmh_cohort, wmh_scan

from study.badinput import BadInput
from study.cohort.scans import LAYOUTS, Cohort, read_cohort


def _manifest_cohort(root: Path) -> Path:
    rows = [
        {"id": f"s{i}", "image": f"images/{i}.nii.gz", "label": i / 2, "group": "ab"[i % 2]} for i in range(4)
    ]
    for i in range(4):
        save(root / "images" / f"{i}.nii.gz", brain(i))
    pd.DataFrame(rows).to_csv(root / "manifest.csv", index=False)
    return root


def _bids_cohort(root: Path) -> Path:
    for i, name in enumerate(("sub-01/ses-a", "sub-01/ses-b", "sub-02")):
        stem = name.replace("/", "_")
        save(root / name / "anat" / f"{stem}_FLAIR.nii.gz", brain(i))
        save(root / name / "anat" / f"{stem}_T1w.nii", brain(10 + i))
    text = "participant_id\tsex\tlabel\tsite\nsub-01\tF\t3.5\tX\nsub-02\tM\t4\tY\n"
    (root / "participants.tsv").write_text(text)
    return root


WRITERS = {"wmh": wmh_cohort, "manifest": _manifest_cohort, "bids": _bids_cohort}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_found_and_keeps_the_contract(tmp_path: Path, layout: str) -> None:
    root = WRITERS[layout](tmp_path / "cohort")
    cohort = read_cohort(root)
    assert cohort == read_cohort(root, layout)
    assert cohort.layout == layout
    assert len({scan.id for scan in cohort.scans}) == len(cohort.scans) >= 3
    for scan in cohort.scans:
        assert scan.image.is_file()
        assert np.isfinite(scan.label)
        assert scan.group


def _by_id(cohort: Cohort) -> dict[str, tuple[float, str]]:
    return {scan.id: (scan.label, scan.site) for scan in cohort.scans}


def test_wmh_counts_voxels_equal_to_one(tmp_path: Path) -> None:
    cohort = read_cohort(wmh_cohort(tmp_path / "cohort"))
    assert _by_id(cohort) == {
        "Amsterdam-GE3T-100": (16.0, "Amsterdam"),
        "Amsterdam-GE3T-101": (21.0, "Amsterdam"),
        "Odd_site-7": (26.0, "Odd site"),
        "Singapore-50": (11.0, "Singapore"),
        "Utrecht-0": (1.0, "Utrecht"),
        "Utrecht-2": (6.0, "Utrecht"),
    }
    assert cohort.unit == "voxels"
    assert all(scan.group == scan.id for scan in cohort.scans)


def test_wmh_labels_in_mm3_and_components(tmp_path: Path) -> None:
    mask = np.zeros((12, 14, 10), dtype=np.int16)
    mask[1, 1, 1] = mask[2, 2, 2] = mask[8, 8, 8] = 1
    mask[9, 8, 8] = 2
    affine = np.diag([0.5, 2.0, 3.0, 1.0])
    save(tmp_path / "U" / "1" / "pre" / "FLAIR.nii.gz", brain(), affine)
    save(tmp_path / "U" / "1" / "wmh.nii.gz", mask, affine)
    assert read_cohort(tmp_path, label="mm3").scans[0].label == pytest.approx(9.0)
    assert read_cohort(tmp_path, label="components").scans[0].label == 2.0


def test_sites_below_training_and_test(tmp_path: Path) -> None:
    for seed, folder in enumerate(("training/Utrecht/0", "test/Utrecht/0", "test/Amsterdam/GE3T/0")):
        wmh_scan(tmp_path / folder, seed, 1)
    cohort = read_cohort(tmp_path)
    assert sorted(scan.site for scan in cohort.scans) == ["Amsterdam", "Utrecht", "Utrecht"]
    assert len({scan.id for scan in cohort.scans}) == 3


def test_folders_whose_names_differ_in_odd_characters_keep_their_own_ids(tmp_path: Path) -> None:
    for seed, folder in enumerate(("A/1", "A/1 .", "A-1")):
        wmh_scan(tmp_path / folder, seed, 1)
    ids = [scan.id for scan in read_cohort(tmp_path).scans]
    assert len(set(ids)) == 3
    assert ids == [scan.id for scan in read_cohort(tmp_path).scans]


def test_image_without_lesion_mask_is_named(tmp_path: Path) -> None:
    root = wmh_cohort(tmp_path / "cohort")
    (root / "Utrecht" / "2" / "wmh.nii.gz").unlink()
    with pytest.raises(BadInput, match=r"Utrecht/2.*no wmh\.nii\.gz"):
        read_cohort(root)
    (root / "Utrecht" / "2" / "pre" / "FLAIR.nii.gz").unlink()
    save(root / "Utrecht" / "2" / "wmh.nii.gz", lesions(1))
    with pytest.raises(BadInput, match=r"Utrecht/2.*no pre/FLAIR"):
        read_cohort(root)


def test_label_table_replaces_the_masks(tmp_path: Path) -> None:
    root = wmh_cohort(tmp_path / "cohort")
    folders = sorted(path.parent.parent.relative_to(root).as_posix() for path in root.rglob("FLAIR.nii.gz"))
    rows = [f"{folder}\t{i + 0.5}\t{i}" for i, folder in enumerate(folders)]
    (root / "labels.tsv").write_text("\n".join(["scan\tlabel\ttruth", *rows]) + "\n")
    scans = read_cohort(root).scans
    assert [scan.label for scan in scans] == [i + 0.5 for i in range(6)]
    assert [scan.truth for scan in scans] == list(range(6))
    assert scans[0].lesion_mask is not None
    assert [scan.label for scan in read_cohort(root, label="voxels").scans] == [16, 21, 26, 11, 1, 6]


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
def test_manifest_formats_agree(tmp_path: Path, ending: str) -> None:
    save(tmp_path / "x" / "a.nii.gz", brain(1))
    save(tmp_path / "x" / "les.nii.gz", lesions(7))
    save(tmp_path / "elsewhere.nii.gz", brain(2))
    frame = pd.DataFrame(
        {
            "id": ["1", "2"],
            "image": ["a.nii.gz", str(tmp_path / "elsewhere.nii.gz")],
            "count": [3, 4.5],
            "lesion_mask": ["les.nii.gz", None],
            "site": ["S, T", ""],
            "group": ["g", "n/a"],
            "truth": [2.5, None],
        }
    )
    path = tmp_path / "x" / f"scans.{ending}"
    if ending == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if ending == "tsv" else ",")
    cohort = read_cohort(path, label_column="count")
    first, second = cohort.scans
    assert (first.id, first.label, first.site, first.group, first.truth) == ("1", 3.0, "S, T", "g", 2.5)
    assert (second.id, second.label, second.site, second.group, second.truth) == ("2", 4.5, "", "2", None)
    assert first.lesion_mask == tmp_path / "x" / "les.nii.gz"
    assert cohort.unit == "count"


def test_manifest_labels_from_lesion_masks(tmp_path: Path) -> None:
    save(tmp_path / "a.nii.gz", brain(1))
    save(tmp_path / "les.nii.gz", lesions(7))
    (tmp_path / "manifest.csv").write_text("id,image,lesion_mask\na,a.nii.gz,les.nii.gz\n")
    cohort = read_cohort(tmp_path)
    assert (cohort.scans[0].label, cohort.unit) == (7.0, "voxels")


def test_left_and_right_of_one_image_are_two_scans(tmp_path: Path) -> None:
    for name in ("a", "left", "right"):
        save(tmp_path / f"{name}.nii.gz", brain())
    text = "id,image,mask,label,group\n" + "".join(
        f"{s},a.nii.gz,{s}.nii.gz,1,a\n" for s in ("left", "right")
    )
    (tmp_path / "manifest.csv").write_text(text)
    assert [scan.id for scan in read_cohort(tmp_path).scans] == ["left", "right"]


def test_bids_sessions_form_a_group(tmp_path: Path) -> None:
    root = _bids_cohort(tmp_path)
    scans = read_cohort(root).scans
    assert [(scan.id, scan.group, scan.label, scan.site) for scan in scans] == [
        ("sub-01_ses-a", "sub-01", 3.5, "X"),
        ("sub-01_ses-b", "sub-01", 3.5, "X"),
        ("sub-02", "sub-02", 4.0, "Y"),
    ]
    assert [scan.image.suffix for scan in read_cohort(root, suffix="T1w").scans] == [".nii"] * 3


def test_bids_labels_by_session(tmp_path: Path) -> None:
    root = _bids_cohort(tmp_path)
    rows = ("sub-01\tses-a\t1", "sub-01\tses-b\t2", "sub-02\t\t3")
    (root / "participants.tsv").write_text("\n".join(["participant_id\tsession_id\tlabel", *rows]) + "\n")
    assert [scan.label for scan in read_cohort(root).scans] == [1.0, 2.0, 3.0]
