"""The same seed is the same search; a configuration's scores depend on no worker, order or neighbour."""

import pytest
import tiny

from study.badinput import BadInput
from study.regression.config import TrialConfig
from study.sweep.collect import collect_sweeps
from study.sweep.sweep import is_finished, run_sweep

SAME = [
    "trial",
    "status",
    "origin",
    "score",
    "mse",
    "mae",
    "icc",
    "length",
    "verdict",
    "shift",
    "train_mse",
    "config",
]
CURVES = ["trial", "report", "presentations", "mse", "icc", "smoothed", "train_loss"]


def searched(directory, *, workers, sampler, trials=6):
    """Trials, curves and predictions of a sweep with so many workers on two CPUs."""
    task = tiny.make_task(
        directory, "set_sum", trials=trials, sampler=sampler, cpus_per_trial=2 // workers, threads=1
    )
    run_sweep(task, progress=lambda event: None)
    found = collect_sweeps([task])
    oof = tiny.collected_oof(task).drop(columns="stage")
    return found.trials[SAME], found.curves[CURVES], oof


@pytest.mark.usefixtures("local_ray")
def test_the_same_seed_draws_the_same_trials_in_the_same_order(tmp_path):
    first, again = (searched(tmp_path / name, workers=1, sampler="tpe", trials=9) for name in ("a", "b"))
    assert len(first[0]["config"].unique()) == 9
    for one, other in zip(first, again, strict=True):
        assert one.equals(other)
    assert first[0]["train_mse"].notna().all()


@pytest.mark.usefixtures("local_ray")
def test_at_any_concurrency_a_configuration_has_the_same_scores(tmp_path):
    # Random draws depend on a trial's number alone, so that both searches try the same configurations;
    # with two workers they are trained beside others, and after others in the same process.
    alone, beside = (
        searched(tmp_path / str(workers), workers=workers, sampler="random") for workers in (1, 2)
    )
    for one, other in zip(alone, beside, strict=True):
        assert one.equals(other)


def test_another_thread_count_is_another_search(tmp_path):
    task = tiny.make_task(tmp_path)
    assert not is_finished(task)
    with pytest.raises(BadInput, match=r"made with another thread count \(1, now 2\)"):
        is_finished(tiny.make_task(tmp_path, threads=2))


def test_a_state_of_another_thread_count_is_not_continued(tmp_path):
    one, two = (tiny.make_task(tmp_path, threads=threads).assignment() for threads in (1, 2))
    assert one.key(TrialConfig()) != two.key(TrialConfig())
