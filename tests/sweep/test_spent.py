"""What a sweep keeps while it runs: nothing that grows with what its ended trials reported."""

import gc
import json
import tracemalloc

import pytest
import tiny

from study.sweep import sweep as sweep_module
from study.sweep.recorder import Recorder
from study.sweep.results import Results
from study.sweep.sweep import run_sweep


class Watching(Recorder):
    """Notes what is left in memory and on disk."""

    states: list[int]
    averages: list[int]

    def on_trial_result(self, iteration, trials, trial, result, **info):
        folder = self.path.parent / f"trial-{trial.config['trial']:05d}"
        self.states.append(len(list(folder.glob("checkpoint_*"))))
        super().on_trial_result(iteration, trials, trial, result, **info)

    def on_experiment_end(self, trials, **info):
        self.averages.extend(len(trial.run_metadata.metric_analysis) for trial in trials)
        super().on_experiment_end(trials, **info)


@pytest.mark.usefixtures("local_ray")
def test_ended_trials_are_let_go_and_one_state_of_a_running_one_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(sweep_module, "Recorder", Watching)
    Watching.states, Watching.averages = [], []
    task = tiny.make_task(tmp_path, trials=5)
    run_sweep(task, progress=lambda event: None)
    assert max(Watching.states) == 1
    # The last to end may still be in Ray's hands.
    assert sum(count > 0 for count in Watching.averages) <= 2
    [run] = task.directory.glob("run-*")
    assert {path.name for path in run.glob("trial-*")} == {f"trial-{number:05d}" for number in range(5)}
    assert not list(run.glob("trial-*/checkpoint_*"))


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_a_driver_keeps_little_of_each_trial(tmp_path):
    early, late, held = 20, 60, {}

    def look(state):
        if state["done"] in (early, late) and state["done"] not in held:
            gc.collect()
            held[state["done"]] = tracemalloc.get_traced_memory()[0]

    training = {**tiny.TRAINING, "presentations": 8, "reports": 2}
    task = tiny.make_task(tmp_path, "set_sum", trials=late + 2, sampler="tpe", training=training)
    tracemalloc.start()
    try:
        run_sweep(task, progress=look)
    finally:
        tracemalloc.stop()
    # Measured: 17 kB; 122 kB while Ray kept all that it was told.
    assert (held[late] - held[early]) / (late - early) < 40e3


def test_results_of_several_runs_are_read_by_trial(tmp_path):
    lines = {
        "run-0001": [
            {"started": 0},
            {"trial": 0, "report": 1, "mse": 1.0},
            {"trial": 0, "report": 2, "mse": 2.0},
        ],
        "run-0002": [{"trial": 0, "report": 2, "mse": 3.0}, {"trial": 0, "status": "failed"}, {"clock": 5}],
        "run-0003": [{"trial": 1, "report": 1, "mse": 4.0}],
    }
    for run, rows in lines.items():
        (tmp_path / run).mkdir()
        text = "\n".join(json.dumps(row) for row in rows)
        (tmp_path / run / "results.jsonl").write_text(f'{text}\n{{"torn')
    results = Results(tmp_path)
    assert [*results] == [0, 1]
    assert [row.get("mse") for row in results[0]] == [1.0, 3.0, None]
    assert results[1][0]["mse"] == 4.0
    assert results.get(7, []) == []
