"""How many trials of an arm may fail, and what is said when more do."""

from collections import Counter

import optuna
from optuna.trial import TrialState

from study.badinput import BadInput
from study.sweep.recorder import TRACES
from study.sweep.results import Results
from study.sweep.stored import ended
from study.sweep.task import SweepTask

LEAST_TIMED = 10
"""Trials that a search by hours is taken to have at least, when failures are counted."""


def bearable(task: SweepTask, study: optuna.Study) -> float:
    """Failed trials that the arm goes on with; never all of them."""
    trials = max(LEAST_TIMED, len(ended(study))) if task.timed else task.wanted
    return min(task.bearable_failures * trials, trials - 1)


def check_failures(task: SweepTask, study: optuna.Study) -> None:
    """Refuse to go on with an arm in which too much failed.

    Raises:
        BadInput: More trials failed than the task bears.
    """
    trials = ended(study)
    failed = [trial for trial in trials if trial.state == TrialState.FAIL]
    if len(failed) <= bearable(task, study):
        return
    results = Results(task.directory)
    reasons = Counter(results.get(trial.number, [{}])[-1].get("reason", "unknown") for trial in failed)
    summary = "; ".join(f"{count} with: {reason}" for reason, count in reasons.most_common(3))
    raise BadInput(
        f"{len(failed)} of {len(trials)} trials failed, {summary}",
        where=f"arm {task.arm}",
        fix=f"Errors lie in {task.directory / TRACES}; mend the cause in a new study, or raise "
        "`search.failures` in study.yaml and resume",
    )
