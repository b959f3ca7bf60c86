"""A phantom on disk: the same bytes for the same parameters, read back by the cohort's own readers."""

import hashlib
import json

import numpy as np
import pandas as pd
import pytest

from study.badinput import BadInput
from study.cohort.phantom import write_phantom
from study.cohort.phantom_pvs import NOMINAL_PVS, pvs_scan
from study.cohort.phantom_wmh import nominal_wmh, wmh_scan
from study.cohort.scans import read_cohort
from study.cohort.volume import read_volume

KINDS = ("wmh", "pvs")


def hashes(root):
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_same_bytes_whatever_the_workers(tmp_path, kind):
    for name, workers in (("a", 1), ("b", 3)):
        write_phantom(tmp_path / name, kind=kind, scans=5, shape=12, seed=3, rater_noise=0.5, workers=workers)
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b")


@pytest.mark.parametrize("kind", KINDS)
def test_a_smaller_phantom_is_the_beginning_of_a_larger_one(tmp_path, kind):
    for scans in (4, 7):
        write_phantom(tmp_path / str(scans), kind=kind, scans=scans, shape=12, seed=3, rater_noise=0.5)
    few, many = hashes(tmp_path / "4"), hashes(tmp_path / "7")
    images = {name: digest for name, digest in few.items() if name.endswith(".nii.gz")}
    assert len(images) == 8
    assert images.items() <= many.items()
    table = "labels.tsv" if kind == "wmh" else "manifest.tsv"
    few_rows, many_rows = ((tmp_path / name / table).read_text().splitlines() for name in ("4", "7"))
    assert few_rows == many_rows[:5]


@pytest.mark.parametrize("kind", KINDS)
def test_another_seed_gives_other_scans(kind):
    draw = wmh_scan if kind == "wmh" else pvs_scan
    one, other = (draw(12, np.random.default_rng(seed), 0)[0] for seed in (1, 2))
    assert not np.array_equal(one, other)


def test_wmh_is_found_and_its_labels_are_the_masks_voxels_of_one(tmp_path):
    write_phantom(tmp_path, scans=6, shape=(16, 16, 12), seed=0)
    cohort = read_cohort(tmp_path)
    assert cohort.layout == "wmh"
    assert {scan.site for scan in cohort.scans} == {"Utrecht", "Singapore", "Amsterdam"}
    for scan in cohort.scans:
        image, mask = read_volume(scan.image).data, read_volume(scan.lesion_mask).data
        assert image.shape == (16, 16, 12)
        assert scan.label == (mask == 1).sum()
        assert set(np.unique(mask)) <= {0, 1, 2}
        assert not mask[image == 0].any()
    assert not (tmp_path / "labels.tsv").exists()
    slices = {scan.site: read_volume(scan.image).spacing[2] for scan in cohort.scans}
    assert slices["Utrecht"] == pytest.approx(3.0)
    assert slices["Amsterdam"] == pytest.approx(1.2)


def test_pvs_is_found_as_a_manifest_with_region_masks(tmp_path):
    write_phantom(tmp_path, kind="pvs", scans=4, shape=16, seed=0)
    cohort = read_cohort(tmp_path)
    assert cohort.layout == "manifest"
    for scan in cohort.scans:
        image, region = read_volume(scan.image).data, read_volume(scan.mask).data
        assert set(np.unique(region)) == {0, 1}
        assert (image[region == 1] > 0).all()
        assert image[0, 0, 0] == 0
        assert scan.label == scan.truth
        assert 0 <= scan.label <= 8


def test_noisy_raters_miss_the_truth_by_what_was_asked(tmp_path):
    write_phantom(tmp_path, scans=150, shape=12, seed=1, rater_noise=0.5)
    cohort = read_cohort(tmp_path)
    label = np.array([scan.label for scan in cohort.scans])
    truth = np.array([scan.truth for scan in cohort.scans])
    counted = np.array([(read_volume(scan.lesion_mask).data == 1).sum() for scan in cohort.scans])
    assert np.array_equal(truth, counted)
    assert (label >= 0).all()
    assert np.array_equal(label, np.rint(label))
    assert (label - truth).std() / truth.std() == pytest.approx(0.5, abs=0.12)
    large = truth > np.median(truth)
    assert (label - truth)[large].std() > 1.2 * (label - truth)[~large].std()


def test_nominal_means_and_spreads_are_those_of_many_scans():
    generator = np.random.default_rng(0)
    lesions = [(wmh_scan(16, generator)[1] == 1).sum() for _ in range(200)]
    vessels = [pvs_scan(8, generator)[2] for _ in range(300)]
    for labels, nominal in ((lesions, nominal_wmh(16)), (vessels, NOMINAL_PVS)):
        assert (np.mean(labels), np.std(labels)) == pytest.approx(nominal, rel=0.15)


def test_a_phantom_is_reused_and_another_one_refused(tmp_path):
    out = tmp_path / "cohort"
    write_phantom(out, scans=3, shape=12, seed=1)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    write_phantom(out, scans=3, shape=12, seed=1)
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    with pytest.raises(BadInput, match="holds another phantom"):
        write_phantom(out, scans=4, shape=12, seed=1)


def test_someone_elses_folder_is_refused_and_left_alone(tmp_path):
    (tmp_path / "Utrecht").mkdir()
    (tmp_path / "Utrecht" / "thesis.txt").write_text("years of work")
    with pytest.raises(BadInput, match="is not empty"):
        write_phantom(tmp_path, scans=3, shape=12, seed=1)
    assert (tmp_path / "Utrecht" / "thesis.txt").read_text() == "years of work"
    with pytest.raises(BadInput, match="is not a folder"):
        write_phantom(tmp_path / "Utrecht" / "thesis.txt", scans=3, shape=12, seed=1)


def test_what_a_killed_run_left_is_written_again(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"

    def die(done, total):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_phantom(killed, scans=6, shape=12, seed=1, workers=1, progress=die)
    assert not (killed / "phantom.json").exists()
    for out in (whole, killed):
        write_phantom(out, scans=3, shape=12, seed=2)
    assert hashes(killed) == hashes(whole)


def test_progress_counts_every_scan(tmp_path):
    seen = []
    write_phantom(
        tmp_path, scans=4, shape=12, seed=1, progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_the_record_names_every_parameter(tmp_path):
    write_phantom(tmp_path, kind="pvs", scans=2, shape=(12, 12, 10), seed=7, rater_noise=0.25)
    assert json.loads((tmp_path / "phantom.json").read_text()) == {
        "format": 1,
        "kind": "pvs",
        "scans": 2,
        "shape": [12, 12, 10],
        "seed": 7,
        "rater_noise": 0.25,
    }
    columns = ["id", "image", "label", "mask", "site", "truth"]
    assert list(pd.read_csv(tmp_path / "manifest.tsv", sep="\t")) == columns


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "mri"},
        {"scans": 0},
        {"shape": 4},
        {"shape": (12, 12)},
        {"seed": -1},
        {"rater_noise": -0.1},
        {"rater_noise": float("nan")},
    ],
)
def test_a_parameter_out_of_range_is_refused_before_anything_is_written(tmp_path, wrong):
    out = tmp_path / "cohort"
    with pytest.raises(BadInput, match=next(iter(wrong))):
        write_phantom(out, **{"scans": 2, "shape": 12, "seed": 0, **wrong})
    assert not out.exists()
