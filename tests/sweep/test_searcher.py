"""What Optuna is told about every way a trial can end."""

import optuna
import pytest
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from study.builtin import built_in_arms
from study.sweep.searcher import StudySearch
from study.sweep.spaces import read_space
from study.sweep.stored import ended, interrupted, open_study

SPACE = read_space(built_in_arms()["set_sum"])


class Run:
    """A driver's view of one run on a shared storage."""

    def __init__(self, storage, **limits):
        self.study = open_study(SPACE, storage, sampler="tpe", seed=1, identity={})
        self.pruned = set()
        self.search = StudySearch(
            SPACE,
            self.study,
            describe=lambda number, config: {"trial": number, "config": config.model_dump()},
            pruned=self.pruned,
            attributes={"arm": "set_sum", "seed": 1},
            **limits,
        )

    def stored(self, number):
        return self.study.get_trials()[number]


def result(report, *, status="running", smoothed=1.0, final=None):
    return {"report": report, "status": status, "smoothed": smoothed, "final_score": final}


@pytest.fixture
def storage():
    return InMemoryStorage()


def test_a_completed_trial_has_its_final_score_and_its_attributes(storage):
    run = Run(storage)
    config = run.search.suggest("a")
    run.search.on_trial_result("a", result(1, smoothed=3.0))
    told = {**result(2, status="completed", smoothed=2.0, final=1.5), "presentations": 40}
    run.search.on_trial_complete("a", told | {"verdict": "improving"})
    trial = run.stored(config["trial"])
    assert (trial.state, trial.value, trial.intermediate_values) == (
        TrialState.COMPLETE,
        1.5,
        {1: 3.0, 2: 2.0},
    )
    assert trial.user_attrs == {
        "trial": 0,
        "arm": "set_sum",
        "seed": 1,
        "origin": "default",
        "ray_trial": "a",
        "status": "completed",
        "presentations": 40,
        "verdict": "improving",
    }
    assert config["config"]["n"] == trial.params["n"]


def test_a_trial_stopped_by_the_scheduler_is_pruned_at_its_last_value(storage):
    run = Run(storage)
    run.search.suggest("a")
    run.search.on_trial_result("a", result(1, smoothed=3.0))
    run.pruned.add("a")
    run.search.on_trial_complete("a", result(2, smoothed=4.0))
    trial = run.stored(0)
    assert (trial.state, trial.value) == (TrialState.PRUNED, 4.0)
    assert trial.user_attrs["status"] == "pruned"
    assert trial.intermediate_values == {1: 3.0, 2: 4.0}


def test_diverged_and_failed_trials_are_failures_and_never_keep_running(storage):
    run = Run(storage)
    for name in "abc":
        run.search.suggest(name)
    run.search.on_trial_complete("a", result(1, status="diverged", smoothed=float("nan")))
    run.search.on_trial_complete("b", error=True)
    run.search.on_trial_complete("c", error=True)
    run.search.on_trial_complete("c", error=True)
    assert [trial.state for trial in ended(run.study)] == [TrialState.FAIL] * 3
    assert [run.stored(number).user_attrs["status"] for number in range(3)] == [
        "diverged",
        "failed",
        "failed",
    ]
    assert not interrupted(run.study)


def test_interrupted_trials_are_taken_up_again_as_they_were(storage):
    first = Run(storage)
    before = [first.search.suggest(name) for name in "abc"]
    first.search.on_trial_result("b", result(1, smoothed=3.0))
    first.search.on_trial_complete("b", result(2, status="completed", final=1.0))
    first.search.on_trial_complete("c", result(1))

    second = Run(storage)
    again = [second.search.suggest(name) for name in "xyz"]
    assert again[:2] == [before[0], before[2]]
    assert again[2]["trial"] == 3
    second.search.on_trial_result("x", result(1, smoothed=2.0))
    second.search.on_trial_complete("x", result(2, status="completed", final=0.5))
    assert second.stored(0).value == 0.5
    assert second.stored(0).user_attrs["origin"] == "default"
    assert [trial.number for trial in interrupted(second.study)] == [2, 3]


def test_a_trial_killed_while_it_drew_its_values_completes_them(storage):
    first = Run(storage)
    trial = first.study.ask()
    trial.suggest_categorical("n", [2, 3, 4, 6, 8])
    again = Run(storage).search.suggest("x")
    assert again["trial"] == 0
    assert {field: again["config"][field] for field in SPACE.searched} == SPACE.points["default"]


def test_a_storage_that_gives_a_number_out_again_has_lost_what_it_held(storage, monkeypatch):
    run = Run(storage)
    run.search.suggest("a")
    again = optuna.trial.Trial(run.study, run.search.started["a"]._trial_id)
    monkeypatch.setattr(run.study, "ask", lambda: again)
    with pytest.raises(OSError, match="no longer holds"):
        run.search.suggest("b")


def test_no_more_trials_are_under_way_than_there_is_room_for_at_the_moment(storage):
    room = [2]
    search = Run(storage, room=lambda: room[0]).search
    assert search.suggest("a")
    assert search.suggest("b")
    assert search.suggest("c") is None
    room[0] = 3
    assert search.suggest("c")
    room[0] = 1
    for name in "ab":
        search.on_trial_complete(name, result(2, status="completed", final=1.5))
        assert search.suggest("d") is None
    search.on_trial_complete("c", error=True)
    assert search.suggest("d")


def test_a_sweep_asked_to_end_while_no_node_has_room_ends_at_once(storage):
    asked = [False]
    search = Run(storage, room=lambda: int(not asked[0]), ending=lambda: asked[0]).search
    search.suggest("a")
    asked[0] = True
    assert search.suggest("b") is None
    search.on_trial_complete("a", result(2, status="completed", final=1.5))
    assert search.suggest("b") == "FINISHED"
