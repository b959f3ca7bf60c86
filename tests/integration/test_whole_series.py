"""Series and maps through the command, really trained: nested cross-validation, kills, second drivers."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from study.agreement import icc

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "study.cli"]
TINY = """format: 1
arms: [base, set_sum]
phantom: {scans: 20, shape: [12, 12, 12]}
preprocessing: {shape: [8, 8, 8]}
split: {test: 8}
validation: {folds: 2}
budget: {presentations: 24}
training: {reports: 2, scans_per_step: 4}
precision: float32
confirm: {top: 1, seeds: 2}
search: {sampler: paper}
"""
SERIES = TINY + "series: {one: {}, two: {training.loss: mae}, three: {split.test: 6}}\n"
MAP = """format: 1
arms: [base, set_sum]
map: {scans: [6, 9], rater_noise: [0.0, 0.5], presentations: [200, 400], cohorts: 2, test: 10}
phantom: {shape: [12, 12, 12]}
preprocessing: {shape: [8, 8, 8]}
"""


def setsum(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def killed_once(study: Path, out: Path, reached: str) -> None:
    """Start, and SIGKILL the driver once a file is there."""
    command = [*COMMAND, "run", str(study), "--out", str(out)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    end = time.monotonic() + 300
    while not list(out.glob(reached)):
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.01)
    if reached.startswith("two"):
        # A tiny study would be through before others have been refused.
        process.send_signal(signal.SIGSTOP)
        refused = setsum("resume", out, code=2).stderr
        assert f"in use by process {process.pid} on " in refused
        assert f"in use by process {process.pid} on " in setsum("resume", out / "two", code=2).stderr
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="module")
def nested(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    root = tmp_path_factory.mktemp("nested")
    (root / "study.yaml").write_text(TINY)
    done = setsum("run", root / "study.yaml", "--out", root / "out", "validation.outer_folds=2")
    return root / "out", done.stdout


def test_every_scan_is_a_test_scan_exactly_once_and_never_before(nested: tuple[Path, str]) -> None:
    out, printed = nested
    tested: list[str] = []
    for turn in (1, 2):
        folder = out / f"fold-{turn}"
        predictions = pd.read_parquet(folder / "predictions.parquet")
        oof = pd.read_parquet(folder / "oof.parquet")
        split = json.loads((folder / "split.json").read_text())
        assert set(predictions["scan"]) == set(split["test"])
        assert set(oof["scan"]) == set(split["development"])
        assert not set(oof["scan"]) & set(predictions["scan"])
        assert len((folder / "test_log.jsonl").read_text().splitlines()) == 1
        tested += sorted(set(predictions["scan"]))
    assert len(tested) == len(set(tested)) == 20
    assert "fold-2" in printed


def test_pooled_findings_are_of_all_scans(nested: tuple[Path, str]) -> None:
    out, _ = nested
    rows = pd.concat([pd.read_parquet(out / f"fold-{turn}" / "predictions.parquet") for turn in (1, 2)])
    mean = rows[rows["arm"] == "base"].groupby("scan")[["prediction", "label"]].mean()
    table = pd.read_csv(out / "findings" / "agreement.csv").set_index(["arm", "seed"])
    expected = float(icc(mean["prediction"], mean["label"]))
    assert table.loc[("base", "mean"), "icc"] == pytest.approx(expected)
    assert table.loc[("base", "mean"), "scans"] == 20
    assert "2 different models an arm" in (out / "report.html").read_text()


def test_a_finished_series_is_left_as_it_is_and_refuses_what_is_not_its_own(nested: tuple[Path, str]) -> None:
    out, _ = nested
    files = [*out.glob("fold-*/*.parquet"), *out.glob("fold-*/test_log.jsonl")]
    before = {path: path.read_bytes() for path in files}
    setsum("resume", out)
    assert {path: path.read_bytes() for path in files} == before
    assert setsum("status", out).stdout.count("test: opened 1 time(s)") == 2
    assert "a series of studies" in setsum("report", out, code=2).stderr
    study = out.parent / "study.yaml"
    other = setsum("run", study, "--out", out, "validation.outer_folds=3", code=2)
    assert "series with other settings (validation)" in other.stderr
    # A study of it that has been extended by itself belongs to it still.
    settings = out / "fold-1" / "study.yaml"
    text = settings.read_text()
    settings.write_text(text.replace("  trials: 6\n", "  trials: 7\n"))
    assert settings.read_text() != text
    setsum("resume", out)


@pytest.mark.slow
def test_a_series_killed_in_its_second_study_ends_as_one_that_was_left_alone(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(SERIES)
    setsum("run", tmp_path / "study.yaml", "--out", tmp_path / "whole")
    killed_once(tmp_path / "study.yaml", tmp_path / "killed", "two/sweeps/*/run-*/results.jsonl")
    assert not (tmp_path / "killed" / "report.html").exists()
    setsum("resume", tmp_path / "killed")
    for name in ("one", "two", "three"):
        found, expected = (
            pd.read_parquet(tmp_path / which / name / "predictions.parquet") for which in ("killed", "whole")
        )
        pd.testing.assert_frame_equal(found, expected)
    tables = [pd.read_csv(tmp_path / which / "findings/side_by_side.csv") for which in ("killed", "whole")]
    times = [column for column in tables[0] if column == "test_opened_at"]
    pd.testing.assert_frame_equal(*(table.drop(columns=times) for table in tables))


@pytest.mark.slow
def test_a_map_killed_on_the_way_ends_as_one_that_was_left_alone(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(MAP)
    setsum("run", tmp_path / "study.yaml", "--out", tmp_path / "whole")
    killed_once(tmp_path / "study.yaml", tmp_path / "killed", "cells/*.json")
    assert len(list((tmp_path / "killed").glob("cells/*.json"))) < 16
    assert "trainings ended" in setsum("status", tmp_path / "killed").stdout
    setsum("resume", tmp_path / "killed")
    for name in ("map.csv", "trainings.csv"):
        whole, killed = (tmp_path / which / "findings" / name for which in ("whole", "killed"))
        assert whole.read_bytes() == killed.read_bytes()
    trainings = pd.read_csv(tmp_path / "whole" / "findings" / "trainings.csv")
    assert len(trainings) == 2 * 2 * 2 * 2 * 2
    assert trainings["icc"].notna().all()
