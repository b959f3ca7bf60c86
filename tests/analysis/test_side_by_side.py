"""Several studies beside each other, outer folds pooled, and the paper's shapes; nothing is trained."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from studies import write_study

from analysis.nested import pooled_records, pooling_note
from analysis.paper import table1, with_published
from analysis.published import published
from analysis.records import read_records
from analysis.series import write_series
from analysis.side_by_side import side_by_side, study_folders, write_side_by_side
from analysis.tested import agreement_table, averaged, standing_predictions
from analysis.training_sizes import curve_comparison, training_curve
from study.agreement import icc
from study.badinput import BadInput
from study.record import read_frame, write_frame, write_json, write_yaml

ROOT = Path(__file__).parents[2]


def edit(path: Path, change) -> None:
    write_frame(path, change(read_frame(path)))


@pytest.fixture(scope="module")
def turns(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A nested series of three folds, in the last of which the second seed of set_sum failed."""
    root = tmp_path_factory.mktemp("nested") / "outer"
    for turn in (1, 2, 3):
        folder = write_study(root / f"fold-{turn}", seed=turn)
        edit(
            folder / "predictions.parquet",
            lambda rows, turn=turn: rows.assign(scan=f"t{turn} " + rows["scan"]),
        )
    lost = root / "fold-3" / "predictions.parquet"
    edit(lost, lambda rows: rows[(rows["arm"] != "set_sum") | (rows["seed"] != 1)])
    write_yaml(root / "series.yaml", {"format": 1, "validation": {"outer_folds": 3}})
    return root


def test_pooled_figures_are_those_of_all_scans_by_hand(turns: Path) -> None:
    folds = [read_records(turns / f"fold-{turn}") for turn in (1, 2, 3)]
    table = agreement_table(pooled_records(folds)).set_index(["arm", "seed"])
    own = pd.concat([averaged(standing_predictions(records)) for records in folds])
    for arm in ("base", "set_sum", "threshold rule"):
        rows = own[own["arm"] == arm]
        assert table.loc[(arm, "mean"), "icc"] == pytest.approx(float(icc(rows["prediction"], rows["label"])))
        assert table.loc[(arm, "mean"), "scans"] == rows["scan"].nunique() == 120


def test_seeds_are_pooled_by_rank(turns: Path) -> None:
    pooled = pooled_records([read_records(turns / f"fold-{turn}") for turn in (1, 2, 3)])
    rows = pooled.predictions[pooled.predictions["arm"] == "set_sum"]
    assert rows.groupby("outer_fold")["seed"].unique().map(sorted).to_dict() == {
        1: [0, 1, 2],
        2: [0, 1, 2],
        3: [0, 1],
    }
    assert set(rows["chosen_trial"]) != {0}


def test_the_page_of_a_nested_series_says_that_the_models_differ(turns: Path) -> None:
    written = {path.name for path in write_series(turns)}
    assert {
        "agreement.csv",
        "comparison.csv",
        "predictions.csv",
        "side_by_side.csv",
        "predictions.svg",
    } <= written
    text = (turns / "report.html").read_text()
    assert "3 different models an arm" in text
    assert "<i>" not in text.split("<body>")[1]
    comparison = pd.read_csv(turns / "findings" / "comparison.csv")
    assert set(comparison["scans"]) == {120}


def test_the_note_counts_openings(turns: Path) -> None:
    folds = [read_records(turns / f"fold-{turn}") for turn in (1, 2, 3)]
    assert "opened up to 2 times" in pooling_note(folds)


def test_a_row_a_study_and_arm_with_the_study_s_own_figures(tmp_path: Path) -> None:
    folders = {name: write_study(tmp_path / name, seed=i) for i, name in enumerate("ab")}
    table = side_by_side(folders)
    assert list(table[table["trial"].notna()][["study", "arm"]].itertuples(index=False, name=None)) == [
        (study, arm) for study in "ab" for arm in ("base", "dropout", "set_sum")
    ]
    records = read_records(folders["b"])
    agreement = agreement_table(records)
    seeds = agreement[(agreement["arm"] == "set_sum") & (agreement["seed"] != "mean")]
    seeds = seeds[seeds["cohort"] == "test"]["icc"].to_numpy(float)
    row = table[(table["study"] == "b") & (table["arm"] == "set_sum")].iloc[0]
    assert row["icc_seed_sd"] == pytest.approx(seeds.std(ddof=1))
    assert row["icc_seed_mean"] == pytest.approx(seeds.mean())
    for column in ("icc_low", "icc_high", "test_icc", "test_mse", "verdict", "seeds", "test_scans"):
        assert pd.notna(row[column]), column


def test_folders_are_told_apart_and_a_series_stands_for_its_studies(tmp_path: Path, turns: Path) -> None:
    one, other = write_study(tmp_path / "x" / "same"), write_study(tmp_path / "y" / "same")
    names = list(study_folders([one, other, turns]))
    assert names == ["same", str(other), "outer/fold-1", "outer/fold-2", "outer/fold-3"]
    with pytest.raises(BadInput, match="stands twice"):
        study_folders([one, one])
    with pytest.raises(BadInput, match="no study here"):
        study_folders([tmp_path])


def test_the_command_writes_table_and_figure(tmp_path: Path) -> None:
    folders = [write_study(tmp_path / name, upto=upto) for name, upto in (("a", "test"), ("b", "search"))]
    code = "import sys; sys.argv = sys.argv[1:]; from study.cli import main; main()"
    command = [
        sys.executable,
        "-c",
        code,
        "setsum",
        "compare",
        *map(str, folders),
        "--out",
        str(tmp_path / "c"),
    ]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
    assert {path.name for path in (tmp_path / "c").iterdir()} == {
        "captions.md",
        *(f"side_by_side.{e}" for e in ("csv", "svg", "png")),
    }
    table = pd.read_csv(tmp_path / "c" / "side_by_side.csv")
    assert table.loc[table["study"] == "b", "test_icc"].isna().all()
    assert write_side_by_side(study_folders(folders), tmp_path / "d")


def paper_series(root: Path) -> Path:
    """Table 1's first and last rows under the paper's protocol, 30 and 20 test scans."""
    for seed, (name, development, test) in enumerate([("paper-mse", 30, 30), ("paper-40", 40, 20)]):
        folder = write_study(root / name, seed=seed)
        keep = [f"test <i>{i:03d}" for i in range(test)]
        edit(folder / "predictions.parquet", lambda rows, keep=keep: rows[rows["scan"].isin(keep)])
        write_json(folder / "split.json", {"format": 1, "development": [f"d{i}" for i in range(development)]})
        settings = {"format": 1, "seed": 7, "validation": {"protocol": "paper", "scans": 6}}
        write_yaml(folder / "study.yaml", settings)
    write_yaml(
        root / "series.yaml",
        {"format": 1, "experiment": "table1", "series": {"paper-mse": {}, "paper-40": {}}},
    )
    return root


def test_table_1_stands_beside_the_published_values(tmp_path: Path) -> None:
    root = paper_series(tmp_path / "series")
    table = side_by_side({name: root / name for name in ("paper-mse", "paper-40")})
    shown = table1(table).set_index(["testing scans", "method"])["published ICC"]
    # The paper's Table 1.
    assert shown["30", "base"] == "0.79 ± 0.12"
    assert shown["30", "set_sum"] == "0.84 ± 0.02"
    assert shown["20", "base"] == "0.89"
    assert shown["20", "set_sum"] == "0.86"
    assert shown["30", "dropout"] == "–"
    assert len(with_published(table, "table1")) == len(table)
    write_series(root)
    assert "on its own data: Table 1" in (root / "report.html").read_text()
    assert (root / "findings" / "table1.csv").exists()


def test_every_experiment_has_a_source_and_a_claim() -> None:
    for name in ("table1", "figure3", "set_size", "dropout_little_data"):
        assert published(name).source
        assert published(name).claim
    assert len(published("table1").table) == 6


def test_the_curve_is_compared_on_predictions_averaged_over_its_studies(tmp_path: Path) -> None:
    studies = {}
    for size in (12, 25):
        folder = write_study(tmp_path / f"s{size}", seed=3)
        shift = np.random.default_rng(size)
        edit(
            folder / "predictions.parquet",
            lambda rows, shift=shift: rows.assign(
                prediction=rows["prediction"] + shift.normal(0, 9, len(rows))
            ),
        )
        write_json(folder / "split.json", {"format": 1, "development": [f"d{i}" for i in range(size)]})
        studies[f"s{size}"] = read_records(folder)
    table = side_by_side({name: tmp_path / name for name in studies})
    curve = training_curve(studies, table)
    assert list(curve[curve["arm"] == "base"]["training"]) == [12, 25]
    assert (curve["mse_low"] < curve["test_mse"]).all()
    assert (curve["test_mse"] < curve["mse_high"]).all()
    row = curve_comparison(studies).set_index(["first", "second"]).loc[("set_sum", "base")]
    means = [
        averaged(standing_predictions(records)).set_index(["arm", "scan"]) for records in studies.values()
    ]
    mean = (means[0]["prediction"] + means[1]["prediction"]) / 2
    labels = means[0]["label"]
    expected = float(icc(mean["set_sum"], labels["set_sum"]) - icc(mean["base"], labels["base"]))
    assert row["icc_difference"] == pytest.approx(expected)
    assert row["sizes"] == 2
    assert json.loads(curve.to_json(orient="records"))
