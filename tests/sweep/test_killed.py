"""A driver killed in the middle of a sweep, and the sweep run again."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import tiny

from study.sweep.collect import collect_sweeps
from study.sweep.results import Results
from study.sweep.sweep import run_sweep
from study.sweep.trainable import SetSumTrial

ROOT = Path(__file__).parents[2]


def kill_in_the_middle(study, temporary):
    """Start a driver, kill it once a trial is done and others are under way; its Ray ends with it."""
    driver = subprocess.Popen(
        [sys.executable, tiny.__file__, str(study)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": temporary},
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 300
        while not in_the_middle(tiny.long_task(study)):
            assert driver.poll() is None, "the driver ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.wait()


def in_the_middle(task):
    sweep, results = task.directory, Results(task.directory)
    done = "completed" in collect_sweeps([task]).trials["status"].tolist()
    under_way = [number for number, rows in results.items() if 3 <= len(rows) < 7]
    saved = [number for number in under_way if list(sweep.glob(f"run-*/trial-{number:05d}/checkpoint_*"))]
    return bool(done and saved)


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_after_a_kill_nothing_is_lost_repeated_or_changed(tmp_path, monkeypatch):
    task = tiny.long_task(tmp_path)
    with tempfile.TemporaryDirectory(prefix="k-", ignore_cleanup_errors=True) as temporary:
        kill_in_the_middle(tmp_path, temporary)
    before = collect_sweeps([task])
    assert set(before.trials["status"]) == {"completed", "interrupted"}
    rows_before = Results(task.directory)

    run_sweep(task, progress=lambda event: None)
    after = collect_sweeps([task])
    assert after.trials["trial"].tolist() == [0, 1, 2, 3]
    assert set(after.trials["status"]) == {"completed"}
    seen = before.trials.set_index("trial")
    for field in ("config", "origin"):
        again = after.trials.set_index("trial").loc[seen.index, field]
        assert again.tolist() == seen[field].tolist()
    assert after.curves.groupby("trial")["report"].apply(list).tolist() == [list(range(1, 9))] * 4

    # Completed trials were not run again; interrupted ones went on from where they were saved.
    second = tiny.read_results_of(task.directory / "run-0002")
    for number, row in seen.iterrows():
        if row["status"] == "completed":
            assert number not in second
    resumed = [number for number in second if number in seen.index]
    assert any(second[number][0]["report"] > 1 for number in resumed)
    assert rows_before.keys() <= Results(task.directory).keys()

    # And they end bit for bit where an uninterrupted training ends.
    monkeypatch.setattr("ray.tune.trainable.trainable.DEFAULT_STORAGE_PATH", str(tmp_path / "results"))
    number = next(number for number in resumed if second[number][0]["report"] > 1)
    config = task.space.resolve(params(task, number))
    (tmp_path / "alone").mkdir()
    alone = SetSumTrial(
        {
            "trial": number,
            "config": config.model_dump(),
            "assignment": str(task.directory / "run-0002" / "assignment.json"),
            "sweep": str(tmp_path / "alone"),
        }
    )
    for _ in range(8):
        last = alone.train()
    np.testing.assert_array_equal(last["oof"], Results(task.directory)[number][-1]["oof"])


def params(task, number):
    row = collect_sweeps([task]).trials.set_index("trial").loc[number]
    config = json.loads(row["config"])
    return {field: config[field] for field in json.loads(row["varied"])}
