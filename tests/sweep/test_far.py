"""Checkpoints in a bucket and a search in a database: a driver killed there, and gone on with."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import far
import pytest
import tiny
from conftest import PASSWORD
from pyarrow.fs import FileSelector, FileType

from study.badinput import BadInput
from study.record import read_json
from study.sweep.collect import collect_sweeps
from study.sweep.looked import look_at
from study.sweep.place import below, opened, read
from study.sweep.results import Results
from study.sweep.sweep import run_sweep

ROOT = Path(__file__).parents[2]
SAME = ["arm", "trial", "status", "origin", "score", "mse", "icc", "length", "verdict", "config"]


@pytest.fixture(scope="module")
def undisturbed(local_ray, tmp_path_factory):
    """A study in one folder, with a journal, never stopped."""
    study = tmp_path_factory.mktemp("undisturbed")
    far.work(study)
    return study


def driver(study, temporary, **arguments):
    """A driver in a process of its own, with its own Ray."""
    return subprocess.Popen(
        [sys.executable, far.__file__, study, json.dumps(arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": temporary},
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )


def killed_and_resumed(study, under_way, **arguments):
    """Kill a driver as soon as its second arm is under way; then let another one finish."""
    with tempfile.TemporaryDirectory(prefix="k-", ignore_cleanup_errors=True) as temporary:
        first = driver(study, temporary, **arguments)
        try:
            deadline = time.monotonic() + 240
            while not under_way():
                assert first.poll() is None, first.stderr.read()
                assert time.monotonic() < deadline
                time.sleep(0.1)
        finally:
            first.send_signal(signal.SIGKILL)
            first.communicate()
        second = driver(study, temporary, **arguments)
        trouble = second.communicate(timeout=300)[1]
    assert second.returncode == 0, trouble


def saved(study, states):
    """Whether a trial of the second arm has a checkpoint and is not over."""
    task = far.tasks(study, states)[1]
    rows = Results(task.directory)
    going = [number for number in rows if rows[number][-1]["status"] != "completed"]
    return any(f"trial-{number:05d}/checkpoint" in name for number in going for name in objects(task.states))


def objects(place):
    filesystem, path = opened(place)
    found = filesystem.get_file_info(FileSelector(path, recursive=True, allow_not_found=True))
    return [entry.path for entry in found if entry.type == FileType.File]


def stopping(server, when):
    """A progress that stops a server once, at a certain event."""
    stopped = []

    def progress(event):
        if when(event) and not stopped:
            stopped.append(server.stop())

    return progress


def same(one, other, **changes):
    """Trials, every prediction on the way, and the confirmation, bit for bit."""
    for left, right in zip(far.tasks(one), far.tasks(other, **changes), strict=True):
        assert collect_sweeps([left]).trials[SAME].equals(collect_sweeps([right]).trials[SAME])
        assert tiny.collected_oof(left).equals(tiny.collected_oof(right))
    results = [read_json(far.job(study).directory / "result.json") for study in (one, other)]
    assert [result.pop("seconds") > 0 for result in results] == [True, True]
    assert results[0] == results[1]
    names = ("model.safetensors", "oof.parquet")
    models = [[(far.job(study).directory / name).read_bytes() for name in names] for study in (one, other)]
    assert models[0] == models[1]


@pytest.mark.slow
@pytest.mark.parametrize("search", ["postgresql", "journal"])
def test_a_bucket_and_a_database_outlive_the_driver(search, undisturbed, bucket, aws, request, tmp_path):
    states = f"{bucket}/some/prefix"
    elsewhere = {"storage": request.getfixturevalue("database").url} if search == "postgresql" else {}
    killed_and_resumed(tmp_path, lambda: saved(tmp_path, states), states=states, **elsewhere)
    same(undisturbed, tmp_path, **elsewhere)
    second = tiny.read_results_of(far.tasks(tmp_path)[1].directory / "run-0002")
    assert any(rows[0]["report"] > 1 for rows in second.values())
    assert (tmp_path / "optuna.journal").exists() == (search == "journal")
    storage = elsewhere.get("storage", tmp_path / "optuna.journal")
    looked = look_at(storage, tmp_path.name, far.ARMS)
    prefix = f"{tmp_path.name}/" if elsewhere else ""
    assert {study.study_name for study in looked.get_all_studies()} == {prefix + arm for arm in far.ARMS}
    with pytest.raises(PermissionError):
        looked.set_trial_user_attr(looked.get_all_studies()[0]._study_id, "seed", 4)
    with pytest.raises(BadInput, match="has not begun"):
        look_at(storage, tmp_path.name, ["another"])

    # No state lies in the study, none is left in the bucket, and no key is written anywhere.
    local = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in local if path.name == "state.pt"]
    left = objects(states)
    assert left
    assert not [name for name in left if name.endswith(("state.pt", "model.safetensors"))]
    contents = [path.read_bytes() for path in local]
    contents += [read(below(bucket, name.partition("/")[2])) for name in left]
    assert not [content for content in contents if aws.encode() in content]


@pytest.mark.usefixtures("local_ray")
def test_a_database_that_goes_away_is_one_line_and_no_trial_fails_for_it(database, tmp_path):
    task = far.tasks(tmp_path, storage=database.url)[0]
    with pytest.raises(OSError, match="search's database does not answer") as gone:
        run_sweep(task, progress=stopping(database, lambda event: event["reports"] > 3))
    assert os.environ[PASSWORD] not in str(gone.value)
    with pytest.raises(BadInput, match=r"storage cannot be opened .*127\.0\.0\.1") as refused:
        run_sweep(task, progress=lambda event: None)
    assert os.environ[PASSWORD] not in str(refused.value)
    database.start()
    run_sweep(task, progress=lambda event: None)
    assert collect_sweeps([task]).trials["status"].tolist() == ["completed"] * 3


@pytest.mark.usefixtures("local_ray")
def test_a_bucket_that_goes_away_is_one_line_and_no_trial_fails_for_it(s3, tmp_path):
    states = f"{s3.uri}/gone?endpoint_override={s3.endpoint}"
    task = far.tasks(tmp_path, states)[0]
    with pytest.raises(OSError, match=r"s3://setsum-test/gone.*cannot be used as storage"):
        run_sweep(task, progress=stopping(s3, lambda event: event["reports"] > 3))
    s3.start()
    run_sweep(task, progress=lambda event: None)
    assert collect_sweeps([task]).trials["status"].tolist() == ["completed"] * 3
    assert len(Results(task.directory)) == 3
