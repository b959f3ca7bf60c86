"""ASHA among trials of equal set size."""

from types import SimpleNamespace

import pytest
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from study.badinput import BadInput
from study.sweep.schedulers import AshaWithinSetSize, make_scheduler

BUDGET = 100


def trial(number, n):
    return SimpleNamespace(trial_id=f"ray-{number}", config={"trial": number, "config": {"n": n}})


def at(presentations, smoothed):
    return {"presentations": presentations, "smoothed": smoothed}


def decisions(scheduler, trials, scores):
    for one in trials:
        scheduler.on_trial_add(None, one)
    return [
        scheduler.on_trial_result(None, one, at(25, score)) for one, score in zip(trials, scores, strict=True)
    ]


def test_the_worse_of_equal_n_are_stopped_and_known_by_their_ray_id():
    scheduler = AshaWithinSetSize(BUDGET)
    assert decisions(scheduler, [trial(0, 2), trial(1, 2)], [1.0, 5.0]) == [
        TrialScheduler.CONTINUE,
        TrialScheduler.STOP,
    ]
    assert scheduler.stopped == {"ray-1"}


def test_a_larger_n_is_never_stopped_for_being_behind_a_smaller_one():
    scheduler = AshaWithinSetSize(BUDGET)
    trials = [trial(0, 1), trial(1, 1), trial(2, 2), trial(3, 8)]
    assert decisions(scheduler, trials, [1.0, 0.9, 50.0, 99.0]) == [TrialScheduler.CONTINUE] * 4


def test_the_last_report_is_never_an_early_stop():
    scheduler = AshaWithinSetSize(BUDGET)
    one = trial(0, 2)
    scheduler.on_trial_add(None, one)
    assert scheduler.on_trial_result(None, one, at(BUDGET, 9.0)) == TrialScheduler.CONTINUE


def test_rungs_of_earlier_runs_count():
    scheduler = AshaWithinSetSize(BUDGET)
    scheduler.recall(2, 0, [at(25, 1.0), at(50, 0.5)])
    scheduler.recall(2, 7, [at(25, float("nan"))])
    assert decisions(scheduler, [trial(1, 2)], [5.0]) == [TrialScheduler.STOP]


def test_schedulers_by_name():
    assert type(make_scheduler("fifo", BUDGET)) is FIFOScheduler
    with pytest.raises(BadInput, match="`scheduler` is one of fifo, asha, got pbt"):
        make_scheduler("pbt", BUDGET)
