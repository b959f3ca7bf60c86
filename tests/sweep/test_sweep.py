"""Whole sweeps with a real Ray, on a tiny cohort."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import ray
import tiny

from study.badinput import BadInput
from study.sweep import sweep as sweep_module
from study.sweep.collect import collect_sweeps
from study.sweep.spaces import read_space
from study.sweep.stored import open_storage, open_study
from study.sweep.sweep import is_finished, run_sweep
from study.sweep.trainable import SetSumTrial


def sweep(task):
    """Run it; the progress it told."""
    told = []
    run_sweep(task, progress=lambda event: told.append(dict(event)))
    return told


def enqueued(task, *points):
    """Put configurations behind the named points of a search that has not begun."""
    identity = task.assignment().identity()
    storage = open_storage(task.storage)
    study = open_study(task.space, storage, sampler=task.sampler, seed=task.seed, identity=identity)
    for point in points:
        study.enqueue_trial(point)


def read(directory, text):
    path = directory / "mine.yaml"
    path.write_text(text)
    return read_space(path)


class Fragile(SetSumTrial):
    """Raises where n = 2, loses its process where n = 3, and once, after a checkpoint, where n = 4."""

    def step(self):
        n, once = self.settings.n, Path(self.config["sweep"]) / "died"
        if n == 2:
            raise RuntimeError("the disk is on fire")
        if n == 3 or (n == 4 and len(self.rows) == 2 and not once.exists()):
            once.touch()
            os._exit(1)
        return super().step()


@pytest.mark.usefixtures("local_ray")
def test_a_sweep_is_recorded_extended_and_never_repeated(tmp_path):
    task = tiny.make_task(tmp_path, "set_sum", trials=3, cpus_per_trial=2)
    told = sweep(task)
    assert told[-1]["done"] == 3
    assert told[-1]["running"] == 0
    assert told[-1]["reports"] == told[-1]["reports_total"] == 12
    assert is_finished(task)
    assert sweep(task) == []

    extended = tiny.make_task(tmp_path, "set_sum", trials=4, cpus_per_trial=2)
    sweep(extended)
    found = collect_sweeps([extended])
    trials = found.trials
    assert trials["trial"].tolist() == [0, 1, 2, 3]
    assert trials["status"].tolist() == ["completed"] * 4
    assert trials["origin"].tolist() == ["default", "paper", "sampled", "sampled"]
    assert len({json.loads(config)["learning_rate"] for config in trials["config"]}) == 3
    assert trials["score"][:3].min() == pytest.approx(told[-1]["best"])
    assert (trials["config.n"] * (1 - trials["config.p"])).tolist() == trials["expected_set_size"].tolist()
    assert set(trials["training_scans"]) == {10}
    assert trials["host"].ne("").all()
    assert not list(task.directory.glob("run-*/trial-*/checkpoint_*"))

    assert found.curves.groupby("trial")["report"].apply(list).tolist() == [[1, 2, 3, 4]] * 4
    oof = tiny.collected_oof(extended)
    assert sorted(oof["scan"].unique()) == [f"scan-{i:02d}" for i in range(20)]
    for trial in trials.itertuples():
        at = oof[(oof["trial"] == trial.trial) & (oof["presentations"] == trial.length)]
        assert len(at) == 20
        assert np.mean((at["prediction"] - at["label"]) ** 2) == pytest.approx(trial.score)


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_a_failing_and_a_diverging_trial_are_recorded_and_the_sweep_goes_on(tmp_path, monkeypatch):
    ray.cloudpickle.register_pickle_by_value(__import__(__name__))
    monkeypatch.setattr(sweep_module, "SetSumTrial", Fragile)
    space = read(
        tmp_path,
        "scientific: {n: {choice: [1, 2, 3, 4], default: 2, paper: 3}}\n"
        "nuisance: {learning_rate: {choice: [1.0e-3, 1.0e6], default: 1.0e-3}}\n"
        "fixed: {averaging: 0.0}\n",
    )
    task = tiny.make_task(tmp_path, "mine", space=space, trials=6, bearable_failures=1.0)
    enqueued(task, {"n": 1, "learning_rate": 1e6}, {"n": 4, "learning_rate": 1e-3})
    told = sweep(task)
    found = collect_sweeps([task])
    trials = found.trials
    assert trials["status"].tolist()[:4] == ["failed", "failed", "diverged", "completed"]
    assert trials["reason"][0] == "RuntimeError: the disk is on fire"
    assert "process" in trials["reason"][1]
    assert trials["reason"][2].startswith("loss")
    for trial in (0, 1):
        assert (task.directory / "errors" / f"trial-{trial:05d}.txt").stat().st_size > 100
    assert found.curves.loc[found.curves["trial"] == 3, "report"].tolist() == [1, 2, 3, 4]
    assert told[-1]["failed"] == trials["status"].isin(["failed", "diverged"]).sum()
    assert trials.loc[trials["status"] == "failed", "score"].isna().all()
    assert trials["expected_set_size"].notna().all()


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_an_arm_in_which_everything_fails_is_bad_input(tmp_path):
    space = read(
        tmp_path,
        "scientific: {}\nnuisance: {learning_rate: {uniform: [1.0e5, 1.0e6]}}\nfixed: {averaging: 0.0}\n",
    )
    task = tiny.make_task(tmp_path, "mine", space=space, trials=2)
    with pytest.raises(BadInput, match=r"2 of 2 trials failed, .*with: .*(loss|finite)"):
        sweep(task)


class Hanging(SetSumTrial):
    """Where n = 2, never comes back from its second report; where n = 3, only the first time."""

    def step(self):
        once = Path(self.config["sweep"]) / "hung"
        n = self.settings.n
        if len(self.rows) == 1 and (n == 2 or (n == 3 and not once.exists())):
            once.touch()
            time.sleep(3600)
        return super().step()


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_a_hanging_trial_is_tried_again_and_then_given_up(tmp_path, monkeypatch):
    ray.cloudpickle.register_pickle_by_value(__import__(__name__))
    monkeypatch.setattr(sweep_module, "SetSumTrial", Hanging)
    space = read(
        tmp_path, "scientific: {n: {choice: [1, 2, 3], default: 3, paper: 2}}\nnuisance: {}\nfixed: {}\n"
    )
    task = tiny.make_task(tmp_path, "mine", space=space, trials=3, patience=15.0, bearable_failures=1.0)
    enqueued(task, {"n": 1})
    sweep(task)
    trials = collect_sweeps([task]).trials
    assert trials["status"].tolist() == ["completed", "failed", "completed"]
    assert trials["reason"][1] == "nothing was heard of it for 0.25 minutes"


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_too_many_failures_stop_a_sweep_before_its_budget_is_burnt(tmp_path):
    space = read(
        tmp_path,
        "scientific: {}\nnuisance: {learning_rate: {uniform: [1.0e5, 1.0e6]}}\nfixed: {averaging: 0.0}\n",
    )
    task = tiny.make_task(tmp_path, "mine", space=space, trials=20, bearable_failures=0.2)
    with pytest.raises(BadInput, match=r"[567] of [567] trials failed.*search\.failures"):
        sweep(task)
    assert len(collect_sweeps([task]).trials) < 9
    with pytest.raises(BadInput, match="trials failed"):
        sweep(task)


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_asha_stops_trials_and_says_so(tmp_path):
    space = read(
        tmp_path,
        "scientific: {}\nfixed: {}\n"
        "nuisance: {learning_rate: {loguniform: [1.0e-6, 1.0e-2], default: 1.0e-2}}\n",
    )
    task = tiny.make_task(
        tmp_path, "mine", space=space, trials=6, scheduler="asha", cpus_per_trial=2, sampler="tpe"
    )
    sweep(task)
    trials = collect_sweeps([task]).trials
    pruned = trials[trials["status"] == "pruned"]
    assert len(pruned) > 0
    assert (pruned["presentations"] < 40).all()
    assert (trials.loc[trials["status"] == "completed", "presentations"] == 40).all()


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_an_arm_without_anything_to_search_is_one_trial(tmp_path):
    space = read(tmp_path, "scientific: {}\nnuisance: {}\nfixed: {}\n")
    task = tiny.make_task(tmp_path, "mine", space=space, trials=5)
    sweep(task)
    assert len(collect_sweeps([task]).trials) == 1
    assert is_finished(task)


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_hours_instead_of_trials_end_a_sweep_for_good(tmp_path):
    task = tiny.make_task(tmp_path, "set_sum", trials=0, hours=25 / 3600)
    sweep(task)
    statuses = collect_sweeps([task]).trials["status"].tolist()
    assert set(statuses) <= {"completed", "interrupted"}
    assert len(statuses) > 3
    assert is_finished(task)
    assert not is_finished(tiny.make_task(tmp_path, "set_sum", trials=0, hours=1))


@pytest.mark.usefixtures("local_ray")
def test_a_sweep_cut_into_several_runs_is_the_same_sweep(tmp_path, monkeypatch):
    found = []
    for name, lot in (("whole", 500), ("cut", 2)):
        monkeypatch.setattr(sweep_module, "LOT", lot)
        monkeypatch.setattr(sweep_module, "LOT_EACH", 1)
        task = tiny.make_task(tmp_path / name, "set_sum", trials=5, cpus_per_trial=2, sampler="tpe")
        told = sweep(task)
        assert told[-1]["done"] == 5
        found.append(collect_sweeps([task]).trials)
    assert len(list((tmp_path / "cut" / "sweeps" / "set_sum").glob("run-*"))) == 3
    same = ["trial", "origin", "config", "score", "icc", "status"]
    pd.testing.assert_frame_equal(found[0][same], found[1][same])


@pytest.mark.usefixtures("local_ray")
def test_resources_that_no_node_has_are_refused(tmp_path):
    for resources in ({"cpus_per_trial": 64}, {"gpus_per_trial": 1.5}, {"gpus_per_trial": 4}):
        with pytest.raises(BadInput, match="trial"):
            sweep(tiny.make_task(tmp_path, **resources))


def test_a_budget_below_the_named_points_a_changed_cohort_and_a_second_driver_are_refused(tmp_path):
    with pytest.raises(
        BadInput, match=r"needs at least 3 trials \(default, paper and a sampled one\), got 2"
    ):
        is_finished(tiny.make_task(tmp_path, "set_sum", trials=2))
    task = tiny.make_task(tmp_path)
    assert not is_finished(task)
    with sweep_module._alone(task.directory), pytest.raises(BadInput, match="another process"):
        sweep(task)
    tiny.write_cohort(tmp_path / "cohort", fingerprint="changed")
    with pytest.raises(BadInput, match="another cohort"):
        is_finished(tiny.make_task(tmp_path))


def test_what_was_never_searched_collects_to_empty_tables(tmp_path):
    task = tiny.make_task(tmp_path)
    found = collect_sweeps([task])
    assert (len(found.trials), len(found.curves), len(tiny.collected_oof(task))) == (0, 0, 0)
    assert not task.storage.exists()
    study = open_study(
        task.space,
        open_storage(task.storage),
        sampler="tpe",
        seed=3,
        identity=task.assignment().identity(),
    )
    study.ask()
    assert {"score", "status", "config.n"} <= set(collect_sweeps([task]).trials.columns)
