"""What Ray Tune holds on to of a trial that has ended, let go.

Its driver keeps every trial until the sweep is over, with Ray 2.60 some 70 kB each: 50 kB of running
averages of every number reported, 15 kB of results, the configuration twice. (A state file of all
trials, which nothing here reads, would cost 40 kB more and be written anew for every checkpoint.)
"""

from collections.abc import Iterable

from ray.tune.experiment import Trial

OVER = (Trial.TERMINATED, Trial.ERROR)
ASKED_FOR = ("trial_id", "status", "done", "training_iteration", "final_score")
"""Keys of a last result that Ray looks up when the sweep ends."""


def let_go(trials: Iterable[Trial]) -> list[Trial]:
    """Empty the trials that have ended; those that Ray is not done with are returned."""
    left = []
    for trial in trials:
        if trial.status in OVER and not trial.is_saving:
            _empty(trial)
        else:
            left.append(trial)
    return left


def _empty(trial: Trial) -> None:
    known = trial.run_metadata
    known.metric_analysis, known.metric_n_steps = {}, {}
    known.last_result = {key: known.last_result[key] for key in ASKED_FOR if key in known.last_result}
    trial.config, trial.evaluated_params = {"trial": trial.config["trial"]}, {}
    checkpoints = known.checkpoint_manager
    assert checkpoints is not None
    # It holds each checkpoint with the results of its moment.
    known.checkpoint_manager = type(checkpoints)(checkpoints.checkpoint_config)
