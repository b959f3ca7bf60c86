"""What TensorBoard, MLflow and Weights & Biases hold after a search, read back from their files."""

import gc
import json
import os
import socket
import weakref
from types import SimpleNamespace

import mlflow
import numpy as np
import pytest
import tiny
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata
from wandb.proto import wandb_internal_pb2

from study.badinput import BadInput
from study.settings import StudySettings
from study.sweep import trackers
from study.sweep.collect import collect_sweeps
from study.sweep.results import RESULTS
from study.sweep.sweep import run_sweep
from study.sweep.trackers import OFFLINE, check_trackers
from study.sweep.tracking import tracked

CURVES = {
    *("mse/pooled", "mse/smoothed", "mse/fold_1", "mse/fold_2"),
    *("icc/pooled", "train/loss", "cost/seconds", "final/score"),
}


@pytest.fixture(autouse=True)
def _unset(monkeypatch):
    for name in [*OFFLINE, "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "WANDB_PROJECT", "WANDB_API_KEY"]:
        monkeypatch.delenv(name, raising=False)


def tensorboard_of(study, trial):
    """Curves by name as [(step, value)], and hyperparameters, of one trial."""
    events = EventAccumulator(str(study / "tracking" / "tensorboard" / trial)).Reload()
    curves = {
        name: [(event.step, event.value) for event in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }
    if "final/score" not in curves:
        return curves, {}
    content = events.PluginTagToContent(metadata.PLUGIN_NAME)[metadata.SESSION_START_INFO_TAG]
    values = metadata.parse_session_start_info_plugin_data(content).hparams
    return curves, {name: getattr(value, value.WhichOneof("kind")) for name, value in values.items()}


def mlflow_of(study, monkeypatch):
    """Runs by name as (run, curves)."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    client = mlflow.MlflowClient(tracking_uri=(study / "tracking" / "mlflow").as_uri())
    (experiment,) = [found for found in client.search_experiments() if found.name.startswith("setsum")]
    runs = client.search_runs([experiment.experiment_id])
    assert len({run.info.run_name for run in runs}) == len(runs)
    return {
        run.info.run_name: (
            run,
            {
                name: [
                    (point.step, point.value) for point in client.get_metric_history(run.info.run_id, name)
                ]
                for name in run.data.metrics
            },
        )
        for run in runs
    }


def wandb_records(path):
    """Records of an offline run: LevelDB's log, blocks of 32 KiB, after seven bytes of W&B's own."""
    content, at, whole = path.read_bytes(), 7, b""
    while at + 7 <= len(content):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
        length, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        whole += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            yield record
            whole = b""


def wandb_of(study):
    """Offline runs by name as (configuration, [a mapping a report])."""
    found = {}
    for path in (study / "tracking" / "wandb").glob("offline-run-*/*.wandb"):
        name, config, history = "", {}, []
        for record in wandb_records(path):
            if record.HasField("run"):
                name = name or record.run.display_name
                config |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
            if record.HasField("history"):
                history.append(
                    {
                        "/".join(item.nested_key) or item.key: json.loads(item.value_json)
                        for item in record.history.item
                    }
                )
        found[name] = (config, history)
    return found


@pytest.mark.usefixtures("local_ray")
def test_each_tracker_holds_every_trial_under_its_name_with_its_curves_and_what_was_searched(
    tmp_path, monkeypatch
):
    task = tiny.make_task(
        tmp_path, "set_sum", trials=3, cpus_per_trial=2, tracking=("tensorboard", "mlflow", "wandb")
    )
    notes = []
    run_sweep(task, progress=lambda event: None, note=notes.append)
    assert notes == []
    assert not [name for name in OFFLINE if name in os.environ]
    found = collect_sweeps([task])
    runs, offline = mlflow_of(tmp_path, monkeypatch), wandb_of(tmp_path)
    names = {f"set_sum/trial-{number:05d}" for number in found.trials["trial"]}
    assert set(runs) == set(offline) == names
    for trial in found.trials.itertuples():
        name = f"set_sum/trial-{trial.trial:05d}"
        mine = found.curves[found.curves["trial"] == trial.trial]
        pooled = [pytest.approx(point) for point in zip(mine["presentations"], mine["mse"], strict=True)]
        searched = {field: getattr(trial, field) for field in ("arm",)} | {
            field: json.loads(trial.config)[field] for field in task.space.searched
        }

        curves, hparams = tensorboard_of(tmp_path, name)
        assert set(curves) == CURVES
        assert curves["mse/pooled"] == pooled
        assert curves["final/score"] == [(40, pytest.approx(trial.score))]
        # Folds of equal size: their mean is the pooled error.
        folds = np.mean([curves["mse/fold_1"], curves["mse/fold_2"]], axis=0)
        assert [tuple(point) for point in folds] == pooled
        assert hparams == searched

        run, curves = runs[name]
        assert run.info.status == "FINISHED"
        assert run.data.params == {field: str(value) for field, value in searched.items() if field != "arm"}
        assert curves["mse/pooled"] == pooled
        assert set(curves) == CURVES | {"training_iteration"}

        config, history = offline[name]
        assert {field: config[field] for field in task.space.searched} == {
            field: value for field, value in searched.items() if field != "arm"
        }
        assert [(row["_step"], row["mse/pooled"]) for row in history] == pooled
        assert history[-1]["final/score"] == pytest.approx(trial.score)


def step(tracking, trial, report, **changes):
    result = {
        "report": report,
        "presentations": 10 * report,
        "score": 1.0,
        "smoothed": 1.0,
        "icc": float("nan"),
        "train_loss": 1.0,
        "seconds": 1.0,
        "oof": [1.0] * (tiny.SCANS - tiny.TEST),
        "final_score": None,
        "trial": 0,
        "status": "running",
    } | changes
    trial.last_result = result
    tracking.on_trial_result(0, [], trial, result)
    return json.dumps(result) + "\n"


def test_a_search_that_was_interrupted_goes_on_in_the_same_runs_and_repeats_no_point(tmp_path, monkeypatch):
    task = tiny.make_task(tmp_path, "dropout", tracking=("tensorboard", "mlflow"))
    config = dict.fromkeys(task.space.searched, 0.25) | {"loss": "mse"}
    run = task.directory / "run-0001"
    run.mkdir(parents=True)
    first, second = (
        SimpleNamespace(trial_id=name, config={"trial": 0, "config": config}) for name in ("first", "second")
    )
    with tracked(task, (), pytest.fail) as (tracking,):
        tracking.on_trial_start(0, [], first)
        (run / RESULTS).write_text(step(tracking, first, 1) + step(tracking, first, 2))
        tracking.on_trial_complete(0, [], first)
    assert mlflow_of(tmp_path, monkeypatch)["dropout/trial-00000"][0].info.status == "RUNNING"
    with tracked(task, (), pytest.fail) as (tracking,):
        tracking.on_trial_start(0, [], second)
        # Its state was older than its last report, and its process then died once.
        for report in (2, 3, 3):
            step(tracking, second, report)
        step(tracking, second, 4, status="completed", final_score=0.5)
        tracking.on_trial_complete(0, [], second)

    curves, _ = tensorboard_of(tmp_path, "dropout/trial-00000")
    ((begun, by_mlflow),) = mlflow_of(tmp_path, monkeypatch).values()
    for found in (curves, by_mlflow):
        assert [step for step, _ in found["mse/pooled"]] == [10, 20, 30, 40]
        assert found["final/score"] == [(40, 0.5)]
        assert "icc/pooled" not in found
    assert begun.info.status == "FINISHED"


def test_a_tracker_that_fails_is_said_so_of_once_and_the_others_go_on(tmp_path, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@127.0.0.1:{unused.getsockname()[1]}")
        task = tiny.make_task(tmp_path, "dropout", tracking=("mlflow", "tensorboard"))
        config = dict.fromkeys(task.space.searched, 0.25) | {"loss": "mse"}
        trial, notes = SimpleNamespace(trial_id="x", config={"trial": 0, "config": config}), []
        with tracked(task, (), notes.append) as (tracking,):
            tracking.on_trial_start(0, [], trial)
            step(tracking, trial, 1)
            step(tracking, trial, 2)
    (note,) = notes
    assert "mlflow" in note
    assert "the search goes on" in note
    assert "secret" not in note
    assert len(note.splitlines()) == 1
    assert len(tensorboard_of(tmp_path, "dropout/trial-00000")[0]["mse/pooled"]) == 2


def test_a_package_that_is_missing_is_bad_input_that_names_the_extra(monkeypatch):
    check_trackers(("tensorboard", "mlflow", "wandb"))
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    check_trackers(StudySettings().tracking)
    with pytest.raises(BadInput, match=r"setsum\[mlflow\]"):
        check_trackers(("tensorboard", "mlflow"))


def test_an_ended_trial_leaves_nothing_in_memory(tmp_path):
    tracker = trackers.make_tracker("tensorboard", tmp_path, "study", "base")
    trial = trackers.Told(arm="base", number=0, config={"n": 2}, local_path="", trial_id="0")
    tracker.start(trial)
    tracker.report(trial, 10, {"mse/pooled": 1.0})
    writer = weakref.ref(tracker.writers[trial])
    tracker.end(trial, failed=False)
    gc.collect()
    assert writer() is None
