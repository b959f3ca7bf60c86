"""What the driver holds of a search: held once, and saying the same."""

from copy import deepcopy

import optuna
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages.journal import JournalFileBackend, JournalStorage

from study.sweep.held import Journal, hold_once

DOMAINS = {
    "n": IntDistribution(2, 8),
    "rate": FloatDistribution(1e-4, 1e-2, log=True),
    "replacement": CategoricalDistribution([True, False]),
}


@given(
    drawn=st.lists(
        st.fixed_dictionaries(
            {"n": st.integers(2, 8), "rate": st.floats(1e-4, 1e-2), "replacement": st.booleans()}
        ),
        min_size=1,
        max_size=5,
    ),
    said=st.dictionaries(st.text(max_size=5), st.one_of(st.text(max_size=5), st.integers(), st.none())),
)
def test_trials_say_the_same_before_and_after(drawn, said):
    trials = [
        optuna.create_trial(params=params, distributions=deepcopy(DOMAINS), user_attrs=dict(said), value=1.0)
        for params in drawn
    ]
    before = deepcopy(trials)
    hold_once(trials)
    assert trials == before


def test_a_journal_holds_distributions_once_for_all_its_trials_and_samples_as_before(tmp_path):
    def searched(name, sharing):
        storage = JournalStorage(JournalFileBackend(str(tmp_path / name)))
        study = optuna.create_study(storage=storage, sampler=optuna.samplers.TPESampler(seed=1))
        for _ in range(30):
            trial = study.ask(DOMAINS)
            trial.set_user_attr("arm", "set_sum")
            study.tell(trial, trial.params["rate"] * trial.params["n"])
            if sharing:
                hold_once(study.get_trials(deepcopy=False))
        return study

    plain, shared = searched("plain", sharing=False), searched("shared", sharing=True)
    assert [trial.params for trial in plain.trials] == [trial.params for trial in shared.trials]
    held = shared.get_trials(deepcopy=False)
    assert len({id(trial.distributions) for trial in held}) == 1
    assert len({id(trial.user_attrs["arm"]) for trial in held}) == 1


def test_a_journal_is_read_to_its_end_and_on_as_optuna_reads_it(tmp_path):
    file = str(tmp_path / "optuna.journal")
    ours, plain, writer = Journal(file), JournalFileBackend(file), JournalFileBackend(file)
    read = 0
    for lines in (3, 1, 40):
        writer.append_logs([{"line": number} for number in range(lines)])
        new = list(ours.read_logs(read))
        assert new == list(plain.read_logs(read))
        read += len(new)
    assert list(ours.read_logs(0)) == list(plain.read_logs(0))
    assert list(ours.read_logs(30)) == list(plain.read_logs(30))
    assert len(ours._log_number_offset) == 2
