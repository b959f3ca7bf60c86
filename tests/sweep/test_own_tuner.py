"""The trainable and the search space in a Tuner that is not setsum's."""

import numpy as np
import pytest
from ray import tune
from ray.tune.schedulers import ASHAScheduler

from study.badinput import BadInput
from study.builtin import built_in_arms
from study.regression.config import TrialConfig
from study.sweep.own_tuner import write_assignment
from study.sweep.spaces import load_space
from study.sweep.trainable import SetSumTrial

TRAINING = {"presentations": 40, "reports": 4, "views": 1}


def scans(count: int = 16) -> tuple[np.ndarray, np.ndarray]:
    labels = np.linspace(1, 3, count)
    noise = np.random.default_rng(0).normal(0, 0.1, (count, 6, 6, 6))
    return labels[:, None, None, None] + noise, labels


def test_a_tuner_with_a_scheduler_of_its_own_gets_results(local_ray, tmp_path):
    images, labels = scans()
    config = {**TRAINING, **load_space(built_in_arms()["set_sum"])}
    tuner = tune.Tuner(
        tune.with_resources(SetSumTrial, {"cpu": 1}),
        param_space={
            "assignment": write_assignment(images, labels, tmp_path / "scans", folds=2),
            "config": config,
        },
        tune_config=tune.TuneConfig(
            metric="score",
            mode="min",
            num_samples=3,
            reuse_actors=True,
            scheduler=ASHAScheduler(time_attr="presentations", max_t=40, grace_period=10),
        ),
        run_config=tune.RunConfig(storage_path=str(tmp_path / "results"), verbose=0),
    )
    results = tuner.fit()
    assert not results.errors
    assert len(results) == 3
    best = results.get_best_result()
    assert best.metrics["mse"] == min(result.metrics["mse"] for result in results)
    assert best.metrics["presentations"] in (10, 20, 30, 40)
    assert TrialConfig.model_validate(best.config["config"]).n in (2, 3, 4, 6, 8)
    assert len(best.metrics["oof"]) == 16


@pytest.fixture
def trial(tmp_path, monkeypatch):
    monkeypatch.setattr("ray.tune.trainable.trainable.DEFAULT_STORAGE_PATH", str(tmp_path / "results"))
    assignment = write_assignment(*scans(), tmp_path / "scans", folds=2)
    return lambda **fields: SetSumTrial({"assignment": assignment, "config": TRAINING | fields})


def test_a_paused_trial_goes_on_from_its_checkpoint(trial, tmp_path):
    whole = trial()
    expected = [whole.train()["oof"] for _ in range(4)]
    paused = trial()
    paused.train()
    paused.save_checkpoint(str(tmp_path))
    again = trial()
    again.load_checkpoint(str(tmp_path))
    assert [again.train()["oof"] for _ in range(3)] == expected[1:]


def test_another_configurations_checkpoint_is_refused(trial, tmp_path):
    trial().save_checkpoint(str(tmp_path))
    with pytest.raises(BadInput, match="its own configuration's checkpoints only"):
        trial(learning_rate=0.1).load_checkpoint(str(tmp_path))


def test_both_shapes_of_images_are_the_same_scans(tmp_path):
    images, labels = scans()
    paths = [write_assignment(given, labels, tmp_path / "scans") for given in (images, images[:, None])]
    assert paths[0] == paths[1]
    stored = np.load(tmp_path / "scans" / "images.npy")
    np.testing.assert_array_equal(stored, images.astype(np.float32))


@pytest.mark.parametrize(
    ("images", "labels", "folds", "says"),
    [
        (np.zeros((4, 6, 6, 6)), np.ones(3), 2, "must agree"),
        (np.zeros((4, 2, 6, 6, 6)), np.ones(4), 2, "must agree"),
        (np.zeros((4, 6, 6, 6)), np.array([1, 2, np.nan, 3]), 2, "finite"),
        (np.zeros((4, 3, 3, 3)), np.ones(4), 2, "greater than or equal to 4"),
        (np.zeros((4, 6, 6, 6)), np.ones(4), 5, "2 <= folds <= scans"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, images, labels, folds, says):
    with pytest.raises(BadInput, match=says):
        write_assignment(images, labels, tmp_path / "scans", folds=folds)
    assert not (tmp_path / "scans").exists()
