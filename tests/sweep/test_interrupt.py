"""Ctrl-C during a sweep: once, twice, and the sweep taken up again."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny
import torch

from study.sweep.collect import collect_sweeps
from study.sweep.interrupt import InterruptedInOrderError, orderly_end
from study.sweep.results import Results
from study.sweep.sweep import is_finished, run_sweep

ROOT = Path(__file__).parents[2]


def started(study: Path) -> subprocess.Popen[bytes]:
    """A driver of the long sweep, a trial of which has reported."""
    driver = subprocess.Popen(
        [sys.executable, tiny.__file__, str(study)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    deadline = time.monotonic() + 200
    while not any(len(rows) > 1 for rows in Results(tiny.long_task(study).directory).values()):
        assert driver.poll() is None, driver.stderr.read().decode()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return driver


def test_the_first_signal_is_remembered_and_the_second_raises():
    before = signal.getsignal(signal.SIGINT)
    with orderly_end() as asked:
        assert not asked.is_set()
        signal.raise_signal(signal.SIGTERM)
        assert asked.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    assert issubclass(InterruptedInOrderError, KeyboardInterrupt)


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_one_ctrl_c_saves_every_running_trial_at_its_latest_report(tmp_path):
    task = tiny.long_task(tmp_path)
    driver = started(tmp_path)
    driver.send_signal(signal.SIGINT)
    _, told = driver.communicate(timeout=60)
    assert driver.returncode == 130
    assert b"ending: reports under way" in told
    assert not is_finished(task)
    trials = collect_sweeps([task]).trials
    running = trials.loc[trials["status"] == "interrupted", "trial"].tolist()
    assert running
    results = Results(task.directory)
    for number in running:
        states = sorted(task.directory.glob(f"run-0001/trial-{number:05d}/checkpoint_*/state.pt"))
        assert torch.load(states[-1], weights_only=True)["training"]["report"] == len(results[number])

    run_sweep(task, progress=lambda event: None)
    whole = collect_sweeps([task])
    assert whole.trials["status"].tolist() == ["completed"] * 4
    assert whole.curves.groupby("trial")["report"].apply(list).tolist() == [list(range(1, 9))] * 4
    again = tiny.read_results_of(task.directory / "run-0002")
    assert all(again[number][0]["report"] == len(results[number]) + 1 for number in running)


def test_a_sigterm_to_the_whole_process_group_ends_in_order_too(tmp_path):
    # What `timeout` and many schedulers send: Ray's own processes must outlive the trials.
    driver = started(tmp_path)
    os.killpg(driver.pid, signal.SIGTERM)
    _, told = driver.communicate(timeout=60)
    assert driver.returncode == 130, told.decode()
    assert b"ending: reports under way" in told
    assert "interrupted" in set(collect_sweeps([tiny.long_task(tmp_path)]).trials["status"])


@pytest.mark.slow
def test_two_of_them_end_it_at_once(tmp_path):
    driver = started(tmp_path)
    driver.send_signal(signal.SIGINT)
    time.sleep(0.05)
    driver.send_signal(signal.SIGINT)
    begin = time.monotonic()
    driver.communicate(timeout=60)
    assert driver.returncode == 130
    assert time.monotonic() - begin < 30
    assert not is_finished(tiny.long_task(tmp_path))
