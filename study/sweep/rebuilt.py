"""A search whose storage was lost, put together again from what its runs recorded."""

from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from study.record import numbered_lines
from study.sweep.results import RESULTS, Results
from study.sweep.searcher import ending
from study.sweep.stored import distributions
from study.sweep.task import SweepTask

STATES = {"completed": TrialState.COMPLETE, "diverged": TrialState.FAIL, "failed": TrialState.FAIL}


def recorded_trials(task: SweepTask) -> list[FrozenTrial]:
    """The arm's trials in the order of their numbers, as far as its runs have recorded any.

    A trial that was drawn but never started leaves a gap; it is filled with a trial without
    parameters, which the search draws again as it drew it first.
    """
    configs: dict[int, dict[str, Any]] = {}
    pruned: set[int] = set()
    for run in sorted(task.directory.glob("run-*")):
        for _, line in numbered_lines(run / RESULTS):
            if "started" in line:
                configs[int(line["started"])] = line["config"]
            if "pruned" in line:
                pruned.add(int(line["pruned"]))
    if not configs:
        return []
    results, domains = Results(task.directory), distributions(task.space)
    origins = dict(enumerate(task.space.points))
    identity = task.attributes()
    trials = []
    for number in range(max(configs) + 1):
        origin = {"origin": origins.get(number, "sampled")}
        if number not in configs:
            trials.append(create_trial(state=TrialState.RUNNING, user_attrs=origin))
            continue
        rows = results.get(number, [])
        state = TrialState.PRUNED if number in pruned else _state(rows)
        attributes: dict[str, Any] = {**origin, **identity, "trial": number}
        if state.is_finished():
            attributes |= ending(rows[-1])
        trials.append(_trial(configs[number], domains, rows, state, attributes))
    return trials


def _trial(
    config: dict[str, Any],
    domains: dict[str, BaseDistribution],
    rows: list[dict[str, Any]],
    state: TrialState,
    attributes: dict[str, Any],
) -> FrozenTrial:
    reported = {row["report"]: row["smoothed"] for row in rows if row.get("oof")}
    value = rows[-1]["final_score"] if state == TrialState.COMPLETE else None
    if state == TrialState.PRUNED:
        value = reported[max(reported)]
    return create_trial(
        state=state,
        value=value,
        params={field: config[field] for field in domains},
        distributions=domains,
        intermediate_values=reported,
        user_attrs=attributes,
    )


def _state(rows: list[dict[str, Any]]) -> TrialState:
    return STATES.get(rows[-1]["status"], TrialState.RUNNING) if rows else TrialState.RUNNING
