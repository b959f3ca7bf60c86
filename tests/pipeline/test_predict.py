"""`setsum predict`: what it takes, what it writes, and what it says of scans unlike the training's."""

import gzip

import numpy as np
import pandas as pd
import pytest
import torch
from nifti import brain, save
from typer.testing import CliRunner

from study.cli import app
from study.cohort.preprocess import Preprocessing, preprocess_files
from study.cohort.ranges import FILE, Ranges, write_ranges
from study.record import write_yaml
from study.regression.config import TrialConfig
from study.regression.model import save_networks
from study.regression.prediction import build_predictor
from study.regression.recipe import Recipe

SPACING = np.diag([1.0, 1.0, 2.0, 1.0])


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A BIDS folder, and an export of two untrained networks with the ranges of its scans."""
    root, config = tmp_path_factory.mktemp("given"), TrialConfig(views=2)
    torch.manual_seed(1)
    spec = Preprocessing(shape=(8, 8, 8))
    files = [
        save(root / "bids" / f"sub-{i}" / "anat" / f"sub-{i}_FLAIR.nii.gz", brain(i), SPACING)
        for i in range(6)
    ]
    (root / "export").mkdir()
    save_networks(root / "export" / "model.safetensors", [build_predictor(config) for _ in range(2)])
    write_yaml(
        root / "export" / "config.yaml", Recipe(config=config, preprocessing=spec).model_dump(mode="json")
    )
    read = [preprocess_files(file, None, None, spec) for file in files]
    images, grids = np.stack([one.image_DHW for one in read]), [(one.shape, one.spacing) for one in read]
    write_ranges(root / "export", Ranges.of(images, *zip(*grids, strict=True)))
    return root


def predict(*arguments):
    done = CliRunner().invoke(app, ["predict", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done


def test_a_bids_folder_its_files_and_a_pattern_are_the_same_scans(given, tmp_path):
    files = sorted((given / "bids").rglob("*.nii.gz"))
    tables = []
    for number, named in enumerate(
        ([given / "bids"], files, [given / "bids" / "sub-*" / "anat" / "*.nii.gz"])
    ):
        predict(given / "export", *named, "-o", tmp_path / f"{number}.csv")
        tables.append(pd.read_csv(tmp_path / f"{number}.csv", keep_default_na=False))
    assert list(tables[0]["id"]) == [f"sub-{i}" for i in range(6)]
    assert list(tables[1]["id"]) == [str(file) for file in files]
    pd.testing.assert_frame_equal(tables[1], tables[2])
    pd.testing.assert_frame_equal(tables[0].drop(columns="id"), tables[1].drop(columns="id"))
    assert set(tables[0]["warning"]) == {""}
    assert tables[0]["prediction"].nunique() == 6
    assert (tables[0]["sd"] > 0).all()


def test_every_kind_of_table_holds_the_same_rows(given, tmp_path):
    readers = {
        ".csv": lambda path: pd.read_csv(path, keep_default_na=False),
        ".tsv": lambda path: pd.read_csv(path, sep="\t", keep_default_na=False),
        ".parquet": pd.read_parquet,
    }
    tables = []
    for ending, read in readers.items():
        predict(given / "export", given / "bids", "-o", tmp_path / f"p{ending}")
        tables.append(read(tmp_path / f"p{ending}"))
    for table in tables:
        assert list(table.columns) == ["id", "prediction", "sd", "warning"]
        pd.testing.assert_frame_equal(table, tables[0], check_dtype=False)


def test_progress_goes_to_standard_error_and_the_file_to_standard_output(given, tmp_path):
    done = predict(given / "export", given / "bids", "-o", tmp_path / "p.csv")
    assert "predict: 6/6 in " in done.stderr
    assert done.stdout.split() == [str(tmp_path / "p.csv")]


@pytest.fixture
def odd(tmp_path):
    """Thicker slices than any training scan had."""
    return save(tmp_path / "odd" / "thick.nii.gz", brain(7), np.diag([1.0, 1.0, 5.0, 1.0]))


def test_a_scan_unlike_the_trainings_is_predicted_and_marked(given, odd, tmp_path):
    done = predict(given / "export", given / "bids", odd, "-o", tmp_path / "p.csv")
    table = pd.read_csv(tmp_path / "p.csv", keep_default_na=False)
    assert table["warning"].iloc[-1] == "spacing 5 mm along z, training scans 2"
    assert set(table["warning"].iloc[:-1]) == {""}
    assert table["prediction"].notna().all()
    assert "1 of 7 scans are unlike the training's" in done.stderr


def test_strict_refuses_it_and_writes_nothing(given, odd, refuse):
    line = refuse("predict", given / "export", odd, "--strict")
    assert "thick.nii.gz: unlike the training scans: spacing 5 mm along z" in line


def test_strict_refuses_intensities_too(given, tmp_path, refuse):
    scan = save(tmp_path / "x" / "shifted.nii.gz", brain(7) - 1000, SPACING)
    line = refuse("predict", given / "export", given / "bids", scan, "--strict")
    assert "shifted.nii.gz: unlike the training scans: " in line
    assert "brightest hundredth of the foreground" in line


def test_strict_accepts_scans_like_the_trainings(given, tmp_path):
    predict(given / "export", given / "bids", "--strict", "-o", tmp_path / "p.csv")
    assert len(pd.read_csv(tmp_path / "p.csv")) == 6


def test_an_export_without_ranges_says_so_and_is_refused_under_strict(given, tmp_path, refuse):
    old = tmp_path / "old"
    old.mkdir()
    for name in ("config.yaml", "model.safetensors"):
        (old / name).write_bytes((given / "export" / name).read_bytes())
    done = predict(old, given / "bids", "-o", tmp_path / "p.csv")
    assert f"{FILE} is missing" in done.stderr
    assert f"{FILE} is missing" in refuse("predict", old, given / "bids", "--strict")


def test_a_truncated_scan_among_good_ones_is_named_before_anything_is_predicted(given, tmp_path, refuse):
    bad = tmp_path / "bad.nii"
    bad.write_bytes(gzip.decompress(next((given / "bids").rglob("*.nii.gz")).read_bytes())[:200])
    assert "bad.nii" in refuse("predict", given / "export", given / "bids", bad)


def test_region_masks_come_from_a_manifest(tmp_path, refuse):
    config, spec = TrialConfig(views=1), Preprocessing(shape=(8, 8, 8), region="mask")
    (tmp_path / "export").mkdir()
    save_networks(tmp_path / "export" / "model.safetensors", [build_predictor(config)])
    recipe = Recipe(config=config, preprocessing=spec)
    write_yaml(tmp_path / "export" / "config.yaml", recipe.model_dump(mode="json"))
    image = save(tmp_path / "scans" / "a.nii", brain(1))
    mask = save(tmp_path / "scans" / "m.nii", (brain(1) > 0).astype(np.uint8))
    (tmp_path / "scans" / "manifest.csv").write_text("id,image,mask\nfirst,a.nii,m.nii\n")
    predict(tmp_path / "export", tmp_path / "scans", "-o", tmp_path / "a.csv")
    predict(tmp_path / "export", image, "--mask", mask, "-o", tmp_path / "b.csv")
    a, b = (pd.read_csv(tmp_path / name) for name in ("a.csv", "b.csv"))
    assert a["prediction"].tolist() == b["prediction"].tolist()
    assert a["id"].tolist() == ["first"]
    assert "needs 1 region mask(s)" in refuse("predict", tmp_path / "export", image)
