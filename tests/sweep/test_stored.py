"""The stored study: one truth over several runs, and no silent change of the question."""

import sys

import optuna
import pytest
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from study.badinput import BadInput
from study.builtin import built_in_arms
from study.sweep.samplers import SAMPLERS
from study.sweep.spaces import read_space, with_training
from study.sweep.stored import distributions, ended, open_storage, open_study

SPACE = read_space(built_in_arms()["set_sum"])
IDENTITY = {"cohort": "abc", "folds": "def", "seed": 1}


def opened(storage, space=SPACE, identity=IDENTITY, sampler="tpe"):
    return open_study(space, storage, sampler=sampler, seed=1, identity=identity)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_named_points_come_first_once_and_later_runs_draw_other_configurations(tmp_path, sampler):
    drawn = []
    for _ in range(2):
        study = opened(open_storage(tmp_path / "optuna.journal"), sampler=sampler)
        for _ in range(4):
            trial = study.ask(distributions(SPACE))
            study.tell(trial, 1.0)
            drawn.append((trial.user_attrs.get("origin"), tuple(trial.params.values())))
    assert [origin for origin, _ in drawn] == ["default", "paper", *[None] * 6]
    assert drawn[0][1] == tuple(SPACE.points["default"].values())
    assert drawn[1][1] == tuple(SPACE.points["paper"].values())
    assert len({values for _, values in drawn}) == 8


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_killed_while_it_drew_goes_on_as_if_it_had_not_been(tmp_path, sampler):
    searches = []
    for killed in (False, True):
        journal = tmp_path / f"{killed}.journal"
        study = opened(open_storage(journal), sampler=sampler)
        drawn = []
        for number in range(8):
            if killed and number == 5:
                # Asked for and drawn, but never written down; then another process.
                begun = study.ask()
                space = study.sampler.infer_relative_search_space(study, begun._cached_frozen_trial)
                study.sampler.sample_relative(study, begun._cached_frozen_trial, space)
                study = opened(open_storage(journal), sampler=sampler)
                [left] = study.get_trials(states=(TrialState.RUNNING,))
                trial = optuna.trial.Trial(study, left._trial_id)
            else:
                trial = study.ask()
            drawn.append([trial._suggest(field, domain) for field, domain in distributions(SPACE).items()])
            study.tell(trial, float(number % 3))
        searches.append(drawn)
    assert searches[0] == searches[1]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_database_draws_what_a_journal_draws(tmp_path, database, sampler):
    searches = []
    for storage in (tmp_path / "optuna.journal", database.url):
        drawn = []
        for number in range(12):
            # Opened anew each time, as after a kill.
            study = open_study(
                SPACE, open_storage(storage), name=f"drawn by {sampler}", sampler=sampler, seed=1, identity={}
            )
            trial = study.ask()
            drawn.append([trial._suggest(field, domain) for field, domain in distributions(SPACE).items()])
            study.tell(trial, float(number % 5))
        searches.append(drawn)
    assert searches[0] == searches[1]


def test_a_sampler_that_remembers_infers_what_a_fresh_one_infers():
    study = opened(InMemoryStorage())
    for number in range(12):
        trial = study.ask()
        fresh = SAMPLERS["tpe"](1).infer_relative_search_space(study, trial)
        assert study.sampler.infer_relative_search_space(study, trial) == fresh
        for field, domain in distributions(SPACE).items():
            trial._suggest(field, domain)
        study.tell(trial, float(number % 5))
    assert len(fresh) == len(SPACE.searched)


def test_the_same_seed_draws_the_same_search():
    searches = []
    for _ in range(2):
        study = opened(InMemoryStorage())
        searches.append([study.ask(distributions(SPACE)).params for _ in range(5)])
    assert searches[0] == searches[1]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"identity": {**IDENTITY, "cohort": "other"}}, "cohort"),
        ({"identity": {**IDENTITY, "seed": 2}}, "seed"),
        ({"space": with_training(SPACE, {"presentations": 100})}, "constant: presentations"),
        ({"space": with_training(SPACE, {"learning_rate": 0.1})}, "learning_rate"),
    ],
)
def test_a_changed_question_is_refused_by_name(change, named):
    storage = InMemoryStorage()
    opened(storage)
    with pytest.raises(BadInput, match=f"another {named}|another .*{named}"):
        opened(storage, **change)


def test_a_foreign_study_or_direction_is_refused():
    storage = InMemoryStorage()
    optuna.create_study(study_name="set_sum", storage=storage, direction="maximize")
    with pytest.raises(BadInput, match="direction"):
        opened(storage)


def test_a_journal_with_a_torn_last_line_goes_on(tmp_path):
    journal = tmp_path / "optuna.journal"
    study = opened(open_storage(journal))
    study.tell(study.ask(distributions(SPACE)), 1.0)
    with journal.open("ab") as stream:
        stream.write(b'{"op_code":4,"work')
    for _ in range(2):
        study = opened(open_storage(journal))
        study.tell(study.ask(distributions(SPACE)), 2.0)
    assert [trial.value for trial in ended(study)] == [1.0, 2.0, 2.0]
    assert {trial.state for trial in ended(study)} == {TrialState.COMPLETE}


def test_a_missing_driver_names_the_extra_that_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(BadInput, match=r"pip install 'setsum\[postgresql\]'"):
        open_storage("postgresql://ann@127.0.0.1:9/setsum")


def test_unknown_samplers_and_unreachable_databases_are_refused():
    with pytest.raises(BadInput, match="`sampler` is one of tpe, random, qmc, got grid"):
        opened(InMemoryStorage(), sampler="grid")
    with pytest.raises(BadInput, match="storage cannot be opened"):
        open_storage("nonsense://nowhere")
