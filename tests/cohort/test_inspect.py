"""What `setsum inspect` shows: every scan in the table, every site in the summary, a real PNG."""

from pathlib import Path

import matplotlib.image
from nifti import brain, save, wmh_cohort

from study.cohort.inspect import describe, slices_figure, summary
from study.cohort.scans import read_cohort


def test_describe_has_a_row_a_scan(tmp_path: Path) -> None:
    cohort = read_cohort(wmh_cohort(tmp_path / "cohort"))
    table = describe(cohort)
    assert table["id"].tolist() == [scan.id for scan in cohort.scans]
    assert set(table["shape"]) == {"12 x 14 x 10"}
    assert set(table["spacing"]) == {"1 x 1 x 1"}


def test_summary_counts_sites_shapes_and_labels(tmp_path: Path) -> None:
    text = summary(read_cohort(wmh_cohort(tmp_path / "cohort")))
    lines = text.splitlines()
    assert "6 scans in 6 groups, layout wmh, labels in voxels" in lines[0]
    assert any(line.split()[:2] == ["Amsterdam", "2"] for line in lines)
    assert any(line.split() == ["12", "x", "14", "x", "10", "6"] for line in lines)
    bars = [line for line in lines if " to " in line]
    assert sum(int(line.split()[3]) for line in bars) == 6


def test_slices_are_drawn_even_for_ids_that_look_like_mathematics(tmp_path: Path) -> None:
    save(tmp_path / "a.nii.gz", brain(1))
    (tmp_path / "manifest.csv").write_text("id,image,label\n$a_$b^,a.nii.gz,1\n")
    slices_figure(read_cohort(tmp_path), tmp_path / "slices.png")
    assert matplotlib.image.imread(tmp_path / "slices.png").std() > 0.05
