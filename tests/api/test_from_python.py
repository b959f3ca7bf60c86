"""A study from Python, a MONAI network in place of the base regressor, from the search to a prediction."""

import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib.figure
import nets
import numpy as np
import pandas as pd
import pytest
import torch
import yaml

import study
from study import Series, Study, load_study, run_study
from study.api.page import summary_html
from study.badinput import BadInput
from study.cli import main
from study.pipeline.progress import Progress, Update
from study.pipeline.train import train
from study.record import write_json, write_yaml
from study.regression.model import load_networks
from study.regression.recipe import read_recipe

TINY = {
    "arms": ["base", "dropout"],
    "phantom": {"scans": 20, "shape": [10, 10, 10]},
    "preprocessing": {"shape": [8, 8, 8]},
    "split": {"test": 6},
    "validation": {"folds": 2},
    "training": {"regressor": "mynets.py:small", "reports": 2, "views": 2},
    "confirm": {"top": 1, "seeds": 1},
}


class Stopped(Progress):
    """Somebody presses the stop button after the first report of the first sweep."""

    pressed = False

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Update]:
        with super().stage(name, total) as update:

            def told(done: int, note: str = "") -> None:
                update(done, note)
                if name == "sweep base" and done and not self.pressed:
                    self.pressed = True
                    signal.raise_signal(signal.SIGINT)

            yield told


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A study that was stopped, and what was said of it."""
    folder = tmp_path_factory.mktemp("own <network>")
    (folder / "mynets.py").write_text(nets.MONAI)
    write_yaml(folder / "study.yaml", {"format": 1, **TINY})
    fields = {"budget.trials": np.int64(3), "budget.presentations": 24}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("study.api.orderly.suitable_progress", Stopped)
        with pytest.raises(KeyboardInterrupt) as stopped:
            run_study(folder / "study.yaml", out=folder / "study", **fields)
    return folder / "study", str(stopped.value)


@pytest.fixture(scope="module")
def found(interrupted: tuple[Path, str]) -> Study:
    study = load_study(interrupted[0])
    return study.resume()


def test_a_stopped_study_ends_in_order_and_says_how_to_go_on(interrupted):
    root, said = interrupted
    assert said == f"interrupted, everything so far is saved; go on with: load_study({str(root)!r}).resume()"


def test_search_confirmation_and_test_all_had_the_network(found):
    assert set(found.trials["status"]) == {"completed"}
    assert found.trials.groupby("arm").size().to_dict() == {"base": 3, "dropout": 3}
    name = f"{found.root.parent}/mynets.py:small"
    assert set(found.trials["config.regressor"]) == {name}
    assert set(found.confirmed["status"]) == {"completed"}
    assert set(found.predictions.loc[found.predictions["trial"] >= 0, "arm"]) == {"base", "dropout"}
    assert found.settings.training["regressor"] == name
    with pytest.raises(BadInput, match="onyx"):
        found.export(["onyx"])
    for arm in found.export(top=1, refit=True).values():
        (leader,) = (arm / "top").iterdir()
        for place, networks in ((arm, 2), (arm / "refit", 1), (leader / "refit", 1)):
            config = read_recipe(place / "config.yaml", name).config
            loaded = load_networks(place / "model.safetensors", config)
            assert len(loaded) == networks
            assert type(loaded[0].network[0]).__module__.startswith("monai.")


def test_an_export_predicts_what_the_study_predicted_and_only_with_consent(found, monkeypatch, capsys):
    tested = found.predictions.query("arm == 'dropout'").set_index("scan")["prediction"]
    scans = sorted((found.root / "phantom").rglob("FLAIR.nii.gz"))
    names = ["-".join(scan.relative_to(found.root / "phantom").parts[:-2]) for scan in scans]
    chosen = [scan for scan, name in zip(scans, names, strict=True) if name in tested.index]
    assert len(chosen) == 6
    predicted = found.predict(chosen, arm="dropout")
    expected = [tested[name] for name in names if name in tested.index]
    np.testing.assert_allclose(predicted["prediction"], expected, rtol=1e-5)
    out = found.root.parent / "predictions.csv"
    given = ["setsum", "predict", str(found.root / "export" / "dropout"), str(chosen[0]), "-o", str(out)]
    monkeypatch.setattr(sys, "argv", given)
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert "to build it is to run that code" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", [*given, "--regressor", f"{found.root.parent}/mynets.py:small"])
    main()
    assert pd.read_csv(out)["prediction"][0] == pytest.approx(predicted["prediction"][0], rel=1e-6)


def test_training_its_recipe_twice_gives_the_same_bits(found, tmp_path):
    name = found.settings.training["regressor"]
    recipe = read_recipe(found.root / "export" / "dropout" / "config.yaml", name)
    threads = torch.get_num_threads()
    weights = []
    try:
        torch.set_num_threads(1)
        for turn in ("one", "two"):
            train(recipe, found.root / "phantom", tmp_path / turn, Progress())
            weights.append((tmp_path / turn / "model.safetensors").read_bytes())
    finally:
        torch.set_num_threads(threads)
    assert weights[0] == weights[1]


def test_frames_tables_and_figures_are_those_of_the_study(found):
    again = load_study(str(found.root))
    for frame in (again.trials, again.curves, again.oof, again.confirmed, again.predictions):
        assert len(frame)
    assert set(again.summary["arm"]) >= {"base", "dropout", "mean predictor"}
    assert list(again.comparison["first"]) == ["dropout"]
    written = pd.read_csv(found.root / "findings" / "summary.csv")
    pd.testing.assert_frame_equal(again.summary[["arm", "test_icc"]], written[["arm", "test_icc"]])
    drawn = {path.stem for path in (found.root / "findings").glob("*.svg")}
    assert set(again.figures) == drawn
    assert isinstance(again.figure("tradeoff"), matplotlib.figure.Figure)
    assert again.figure("tradeoff")._repr_png_().startswith(b"\x89PNG")
    assert "completed trials" in again.caption("tradeoff")
    with pytest.raises(BadInput, match=r"there is no figure `trade`\. Take predictions"):
        again.figure("trade")
    with pytest.raises(BadInput, match="the arm `mixup` is not exported"):
        again.predict([], arm="mixup")


def test_what_a_notebook_shows_is_escaped_and_names_no_folders(found, tmp_path):
    shown = found._repr_html_()
    assert "sweep base: 3 completed" in shown
    assert "mean predictor" in shown
    assert str(found.root.parent) not in shown
    assert str(found.root.parent) not in repr(found)
    hostile = summary_html("<script>", ["<b>"], pd.DataFrame({"<i>": ["<img>"]}))
    assert not any(tag in hostile for tag in ("<script>", "<b>", "<i>", "<img>"))


def test_looking_changes_nothing(found):
    before = {path: path.stat().st_mtime_ns for path in found.root.rglob("*")}
    again = load_study(found.root)
    again.summary, again.figures, again.settings, again.status(), repr(again), again._repr_html_()
    assert {path: path.stat().st_mtime_ns for path in found.root.rglob("*")} == before


def test_a_folder_with_another_study_is_refused(found):
    with pytest.raises(BadInput, match=r"the folder holds a study with other settings \(.*seed\)"):
        run_study(found.root.parent / "study.yaml", out=found.root, seed=1)


@pytest.mark.slow
def test_more_trials_leave_the_test_set_closed_until_it_is_asked_for(found, tmp_path):
    later = Study(shutil.copytree(found.root, tmp_path / "later"))
    log = later.root / "test_log.jsonl"
    later.extend(1)
    assert later.trials.groupby("arm").size().to_dict() == {"base": 4, "dropout": 4}
    assert len(log.read_text().splitlines()) == 1
    later.test()
    assert len(log.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("settings", "fields", "says"),
    [
        ({"bugdet": {"trials": 3}}, {}, "bugdet"),
        ({}, {"budget.trials": 1}, "budget.trials"),
        ({}, {"arms": ["nobody"]}, "there is no built-in arm `nobody`"),
        ({"seed": object()}, {}, "got a object"),
        ({}, {"cohort": "/nowhere"}, "/nowhere"),
        ("nowhere.yaml", {}, "nowhere.yaml"),
    ],
)
def test_bad_input_is_an_exception_of_one_line_and_leaves_nothing(tmp_path, settings, fields, says):
    with pytest.raises(BadInput, match=says) as caught:
        run_study(settings, out=tmp_path / "study", **fields)
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "study").exists()


def test_a_single_scan_or_format_needs_no_list_and_half_a_trial_leaves_the_study_whole(found, monkeypatch):
    given = []
    monkeypatch.setattr("study.pipeline.predict.predict_scans", lambda *args, **_: given.append(args[1:3]))
    found.predict("one.nii.gz", "base")
    found.predict(Path("one.nii.gz"), "base", masks="mask.nii.gz")
    assert given == [([Path("one.nii.gz")], []), ([Path("one.nii.gz")], [Path("mask.nii.gz")])]
    with pytest.raises(BadInput, match="a format is onnx or pt2, got 'onxx'"):
        found.export("onxx")
    before = (found.root / "study.yaml").read_bytes()
    for trials in (1.5, "3", None, 0):
        with pytest.raises(BadInput, match="--trials must be at least 1 and a whole number"):
            found.extend(trials)
    assert (found.root / "study.yaml").read_bytes() == before


def test_there_is_no_study_where_there_is_none(tmp_path):
    with pytest.raises(BadInput, match="no study here"):
        load_study(tmp_path)
    with pytest.raises(BadInput, match=r"trials.parquet does not exist yet"):
        Study(tmp_path).trials  # noqa: B018 - reading it raises


def test_a_series_gives_its_studies(found, tmp_path):
    folder = tmp_path / "series"
    folder.mkdir()
    (folder / "one").symlink_to(found.root)
    settings = {**found.settings.model_dump(mode="json"), "series": {"one": {}}}
    (folder / "series.yaml").write_text(yaml.safe_dump(settings))
    series = load_study(folder)
    assert isinstance(series, Series)
    assert list(series) == ["one"]
    assert len(series["one"].trials) == 6
    assert set(series.summary["study"]) == {"one"}
    assert "sweep base: 3 completed" in series._repr_html_()


def test_a_map_gives_its_table(tmp_path):
    (tmp_path / "cells").mkdir()
    write_yaml(tmp_path / "series.yaml", {"format": 1})
    write_json(tmp_path / "cells" / "a.json", {})
    found = load_study(tmp_path)
    assert len(found) == 0
    assert found.status() == [f"map: {tmp_path}", "trainings ended: 1"]


def test_the_package_tells_what_it_has():
    assert {"run_study", "load_study", "Study", "Series"} <= set(dir(study))
    with pytest.raises(AttributeError, match="no attribute 'run_studies'"):
        study.run_studies  # noqa: B018 - looking it up raises
