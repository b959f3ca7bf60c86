"""A search whose storage was lost goes on as if it had not been."""

import dataclasses

import pytest
import tiny

from study.sweep.collect import collect_sweeps
from study.sweep.sweep import is_finished, run_sweep

SAME = ["trial", "status", "origin", "score", "mse", "icc", "length", "verdict", "config", "varied"]


@pytest.mark.parametrize("how", ["deleted", pytest.param("beginning lost", marks=pytest.mark.slow)])
@pytest.mark.usefixtures("local_ray")
def test_a_lost_journal_is_rebuilt_from_what_the_runs_recorded(tmp_path, how):
    task = tiny.make_task(tmp_path, "set_sum", trials=4, sampler="tpe", cpus_per_trial=2)
    run_sweep(task, progress=lambda event: None)
    before, oof = collect_sweeps([task]), tiny.collected_oof(task)
    lines = task.storage.read_bytes().splitlines(keepends=True)
    task.storage.unlink()
    if how == "beginning lost":
        task.storage.write_bytes(b"".join(lines[len(lines) // 2 :]))
    assert is_finished(task)
    after = collect_sweeps([task])
    assert after.trials[SAME].equals(before.trials[SAME])
    assert tiny.collected_oof(task).equals(oof)

    # And what is drawn next is what would have been drawn.
    longer = dataclasses.replace(task, trials=5)
    run_sweep(longer, progress=lambda event: None)
    untouched = tiny.make_task(tmp_path / "other", "set_sum", trials=5, sampler="tpe", cpus_per_trial=2)
    run_sweep(untouched, progress=lambda event: None)
    rebuilt, whole = (collect_sweeps([one]).trials for one in (longer, untouched))
    assert rebuilt[SAME].equals(whole[SAME])
