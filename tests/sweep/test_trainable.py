"""A trial in this process, without Ray's driver: reuse, resumption and divergence change no bit."""

import json
import shutil
import subprocess
import sys

import nets
import numpy as np
import pytest
import tiny
import torch

from study.regression.regressor import BaseRegressor
from study.sweep.assignment import read_assignment
from study.sweep.trainable import SetSumTrial, newest_state

VARYING = {
    "date",
    "timestamp",
    "time_this_iter_s",
    "time_total_s",
    "time_since_restore",
    "pid",
    "finished_at",
}
VARYING |= {"seconds", "peak_memory_mb", "config", "iterations_since_restore", "training_iteration", "trial"}


@pytest.fixture
def ray_config(tmp_path, monkeypatch):
    """Makes the Ray configuration of a trial with some fields changed."""
    monkeypatch.setattr("ray.tune.trainable.trainable.DEFAULT_STORAGE_PATH", str(tmp_path / "results"))
    task = tiny.make_task(tmp_path, "set_sum")
    sweep = task.directory
    sweep.mkdir(parents=True)
    task.assignment().write(sweep / "assignment.json")
    space = task.space

    def make(number, **fields):
        config = space.resolve(space.points["default"]).model_copy(update=fields)
        return {
            "trial": number,
            "config": config.model_dump(),
            "assignment": str(sweep / "assignment.json"),
            "sweep": str(sweep),
        }

    return make


def run(trial, steps=4):
    """The results that do not depend on the clock."""
    results = [trial.train() for _ in range(steps)]
    return [{key: value for key, value in result.items() if key not in VARYING} for result in results]


def same(one, other):
    assert [result.keys() for result in one] == [result.keys() for result in other]
    for left, right in zip(one, other, strict=True):
        for key in left:
            np.testing.assert_array_equal(left[key], right[key], err_msg=key)


def keep(trial, sweep, run_name, number, index):
    directory = sweep / run_name / f"trial-{number:05d}" / f"checkpoint_{index:06d}"
    directory.mkdir(parents=True)
    trial.save_checkpoint(str(directory))
    return directory / "state.pt"


def test_results_have_one_schema_and_end_with_a_final_score(ray_config):
    results = run(SetSumTrial(ray_config(0)))
    assert len({frozenset(result) for result in results}) == 1
    assert [result["status"] for result in results] == ["running"] * 3 + ["completed"]
    assert [result["done"] for result in results] == [False] * 3 + [True]
    assert [result["final_score"] is None for result in results] == [True] * 3 + [False]
    assert [result["presentations"] for result in results] == [10, 20, 30, 40]
    assert all(len(result["oof"]) == tiny.SCANS - tiny.TEST for result in results)
    assert all(result["score"] == result["mse"] for result in results)


def test_a_reused_actor_gives_bit_for_bit_what_a_fresh_one_gives(ray_config):
    fresh = run(SetSumTrial(ray_config(1, dropout=0.2, n=4)))
    reused = SetSumTrial(ray_config(0, loss="mae", precision="bfloat16"))
    run(reused, steps=2)
    # Whatever a trial or a library may leave behind.
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(False)
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    torch.set_float32_matmul_precision("medium")
    torch.rand(17), np.random.rand(3)
    assert reused.reset(ray_config(1, dropout=0.2, n=4))
    same(run(reused), fresh)
    assert torch.get_num_threads() == 1


def test_a_process_trains_without_loading_what_takes_long_and_serves_nothing(ray_config):
    code = """
import json, sys
import study.sweep.trainable
from study.regression.config import TrialConfig
from study.sweep.assignment import read_assignment
from study.sweep.process import settle

given = json.load(sys.stdin)
assignment = read_assignment(given["assignment"])
settle(threads=1, gpus=0)
assignment.cross_validation(TrialConfig(**given["config"]), "cpu").advance()
print(*(name for name in ("torch._dynamo", "torch._inductor", "scipy.ndimage") if name in sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(ray_config(0)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == []


def test_a_resumed_trial_is_bit_for_bit_an_uninterrupted_one(ray_config, tmp_path):
    whole = run(SetSumTrial(ray_config(0, dropout=0.2)))
    sweep = tmp_path / "sweeps" / "set_sum"
    killed = SetSumTrial(ray_config(0, dropout=0.2))
    run(killed, steps=1)
    keep(killed, sweep, "run-0001", 0, 0)
    run(killed, steps=1)
    torn = keep(killed, sweep, "run-0002", 0, 0)
    torn.write_bytes(torn.read_bytes()[:-2000])

    resumed = run(SetSumTrial(ray_config(0, dropout=0.2)), steps=3)
    same(resumed, whole[1:])


def test_a_trial_killed_after_its_last_report_ends_at_once(ray_config, tmp_path):
    finished = SetSumTrial(ray_config(0))
    last = run(finished)[-1]
    keep(finished, tmp_path / "sweeps" / "set_sum", "run-0001", 0, 0)
    same(run(SetSumTrial(ray_config(0)), steps=1), [last])


def test_a_state_without_training_errors_ends_with_the_same_keys(ray_config, tmp_path):
    finished = SetSumTrial(ray_config(0))
    (last,) = run(finished)[-1:]
    assert last["train_mse"] >= last["train_mae"] ** 2 > 0
    for row in finished.rows:
        del row["train_mse"], row["train_mae"]
    keep(finished, tmp_path / "sweeps" / "set_sum", "run-0001", 0, 0)
    same(run(SetSumTrial(ray_config(0)), steps=1), [last | {"train_mse": np.nan, "train_mae": np.nan}])


def test_a_state_of_another_trial_or_configuration_is_not_continued(ray_config, tmp_path):
    sweep = tmp_path / "sweeps" / "set_sum"
    trial = SetSumTrial(ray_config(0))
    run(trial, steps=1)
    keep(trial, sweep, "run-0001", 0, 0)
    assert newest_state(sweep, 0, trial.key)
    assert newest_state(sweep, 1, trial.key) is None
    assert newest_state(sweep, 0, SetSumTrial(ray_config(0, n=4)).key) is None
    shutil.rmtree(sweep / "run-0001")
    assert newest_state(sweep, 0, trial.key) is None


def test_a_diverging_trial_ends_with_its_reason(ray_config):
    trial = SetSumTrial(ray_config(0, learning_rate=1e6, averaging=0.0))
    for _ in range(4):
        result = trial.train()
        if result["done"]:
            break
    assert (result["status"], result["done"], result["final_score"]) == ("diverged", True, None)
    assert "1e+06" in result["reason"] or "not finite" in result["reason"]
    assert result.keys() == SetSumTrial(ray_config(1)).train().keys()


def test_a_trial_that_runs_out_of_memory_ends_with_the_same_result(ray_config, monkeypatch):
    plain = run(SetSumTrial(ray_config(0, n=4)))
    forward, refused, batches = BaseRegressor.forward, [], []

    def tight(network, images):
        if torch.is_grad_enabled() and len(images) > 2:
            refused.append(len(images))
            raise torch.OutOfMemoryError("CUDA out of memory")
        if torch.is_grad_enabled():
            batches.append(len(images))
        return forward(network, images)

    monkeypatch.setattr(BaseRegressor, "forward", tight)
    found = run(SetSumTrial(ray_config(0, n=4)))
    assert refused
    assert max(batches) == 2
    assert [result["status"] for result in found] == [result["status"] for result in plain]
    for one, other in zip(found, plain, strict=True):
        np.testing.assert_allclose(one["oof"], other["oof"], rtol=1e-4)


def test_the_file_of_the_users_own_network_goes_with_the_assignment(tmp_path):
    (file := tmp_path / "mynets.py").write_text(nets.CONVOLUTION)
    training = {**tiny.TRAINING, "precision": "float32", "regressor": f"{file}:Small"}
    task = tiny.make_task(tmp_path, training=training)
    task.assignment().write(tmp_path / "assignment.json")
    file.unlink()
    config = task.space.resolve(task.space.points["default"])
    training = read_assignment(str(tmp_path / "assignment.json")).cross_validation(config, "cpu")
    assert training.advance().presentations == 10
