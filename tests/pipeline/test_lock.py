"""One process a study directory, with real processes."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from study.badinput import BadInput
from study.pipeline import lock
from study.pipeline.lock import CLAIM, LOCK, STALE_S, occupied
from study.pipeline.owner import myself

HOLD = """
import sys, time
from pathlib import Path
from study.pipeline.lock import occupied
with occupied(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
RACE = """
import sys
from pathlib import Path
from study.badinput import BadInput
from study.pipeline.lock import occupied
print("ready", flush=True)
sys.stdin.readline()
try:
    with occupied(Path(sys.argv[1])):
        print("won", flush=True)
        sys.stdin.read()
except BadInput as error:
    print(error, flush=True)
"""


def process(code, root):
    return subprocess.Popen(
        [sys.executable, "-c", code, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@contextlib.contextmanager
def held(root):
    """A living process that holds the lock."""
    owner = process(HOLD, root)
    try:
        assert owner.stdout.readline() == "held\n"
        yield owner
    finally:
        owner.kill()
        owner.communicate()


def leave(root, seconds_ago=0.0, **changes):
    """A lock file as another owner would have left it."""
    path = root / LOCK
    path.write_text(json.dumps(myself().model_dump() | changes))
    age(path, seconds_ago)


def age(path, seconds):
    now = time.time()
    os.utime(path, (now - seconds, now - seconds))


def taken(root):
    with occupied(root):
        return json.loads((root / LOCK).read_text())["pid"] == os.getpid()


def test_a_second_process_is_refused_with_one_line_that_names_the_first(tmp_path):
    with held(tmp_path) as owner:
        with pytest.raises(BadInput) as refused, occupied(tmp_path):
            pytest.fail("two at once")
        line = str(refused.value)
        assert "\n" not in line
        for word in (f"in use by process {owner.pid} on ", "since 20", "Wait for it", str(tmp_path / LOCK)):
            assert word in line
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == owner.pid
        owner.communicate()
    assert taken(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("waited_for", [True, False], ids=["gone", "zombie"])
def test_the_lock_of_a_killed_owner_is_taken_over(tmp_path, waited_for):
    with held(tmp_path) as owner:
        owner.send_signal(signal.SIGKILL)
        if waited_for:
            owner.wait()
        else:
            os.waitid(os.P_PID, owner.pid, os.WEXITED | os.WNOWAIT)
        assert (tmp_path / LOCK).exists()
        assert taken(tmp_path)


def test_the_lock_of_another_process_of_the_same_number_is_stale(tmp_path):
    leave(tmp_path, started=myself().started - 1)
    assert taken(tmp_path)


def test_a_living_neighbour_s_lock_never_grows_stale(tmp_path):
    leave(tmp_path, seconds_ago=10 * STALE_S)
    with pytest.raises(BadInput, match=f"in use by process {os.getpid()} "), occupied(tmp_path):
        pytest.fail("two at once")


@pytest.mark.parametrize("elsewhere", [{"host": "node7"}, {"machine": "another boot, or container"}])
def test_another_machine_s_lock_goes_by_its_age(tmp_path, elsewhere):
    leave(tmp_path, seconds_ago=STALE_S - 20, **elsewhere)
    with pytest.raises(BadInput, match="in use by process"), occupied(tmp_path):
        pytest.fail("two at once")
    age(tmp_path / LOCK, STALE_S + 20)
    assert taken(tmp_path)


def test_age_is_measured_by_the_storage_s_clock(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 0.0)
    leave(tmp_path, host="node7")
    (tmp_path / LOCK).touch()
    with pytest.raises(BadInput, match="node7"), occupied(tmp_path):
        pytest.fail("a fresh lock was taken for a stale one")


@pytest.mark.parametrize("content", [b"", b'{"host": "node7", "mach'])
def test_a_torn_lock_is_stale_by_age_alone(tmp_path, content):
    (tmp_path / LOCK).write_bytes(content)
    with pytest.raises(BadInput, match="in use by an unknown process"), occupied(tmp_path):
        pytest.fail("two at once")
    age(tmp_path / LOCK, STALE_S + 20)
    assert taken(tmp_path)


def test_a_claim_whose_maker_died_does_not_block_for_ever(tmp_path):
    leave(tmp_path, started=0)
    (tmp_path / CLAIM).touch()
    with pytest.raises(BadInput, match="another setsum is just beginning here"), occupied(tmp_path):
        pytest.fail("a claim was passed over")
    age(tmp_path / CLAIM, STALE_S + 20)
    assert taken(tmp_path)


@pytest.mark.parametrize("stale", [True, False], ids=["a stale lock", "no lock"])
def test_of_many_processes_exactly_one_wins(tmp_path, stale):
    if stale:
        leave(tmp_path, started=0)
    racers = [process(RACE, tmp_path) for _ in range(6)]
    try:
        assert all(racer.stdout.readline() == "ready\n" for racer in racers)
        for racer in racers:
            racer.stdin.write("go\n")
            racer.stdin.flush()
        lines = [racer.stdout.readline() for racer in racers]
    finally:
        for racer in racers:
            racer.kill()
            racer.communicate()
    assert sum(line == "won\n" for line in lines) == 1, lines
    assert all("in use by" in line or "just beginning" in line for line in lines if line != "won\n"), lines


def test_of_many_threads_exactly_one_wins_every_time(tmp_path):
    threads = 12
    with ThreadPoolExecutor(threads) as pool:
        for turn in range(60):
            leave(tmp_path, started=0)
            begin, end = threading.Barrier(threads), threading.Barrier(threads)

            def race(begin=begin, end=end):
                begin.wait()
                try:
                    with occupied(tmp_path):
                        end.wait()
                        return 1
                except BadInput:
                    end.wait()
                    return 0

            wins = [future.result() for future in [pool.submit(race) for _ in range(threads)]]
            assert sum(wins) == 1, turn
            assert list(tmp_path.iterdir()) == []


@given(
    content=st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ).map(lambda value: json.dumps(value).encode()),
        st.fixed_dictionaries(
            {
                "host": st.text(),
                "machine": st.text() | st.just(myself().machine),
                "pid": st.integers() | st.text(),
                "started": st.integers() | st.none(),
                "user": st.text(),
                "command": st.text(),
                "since": st.text(),
            }
        ).map(lambda value: json.dumps(value).encode()),
    ),
    seconds=st.sampled_from([-1e6, 0.0, 3 * STALE_S]),
)
@example(content=b"[" * 5000, seconds=0.0)
@example(content=b'{"pid": ' + b"9" * 5000 + b"}", seconds=0.0)
def test_whatever_the_lock_holds_the_answer_is_one_clear_line_or_success(tmp_path_factory, content, seconds):
    root = tmp_path_factory.mktemp("study")
    (root / LOCK).write_bytes(content)
    age(root / LOCK, seconds)
    if seconds > STALE_S:
        assert taken(root)
        return
    with pytest.raises(BadInput, match="in use by") as refused, occupied(root):
        pytest.fail("took a fresh lock")
    assert str(refused.value).isprintable()
    assert (root / LOCK).read_bytes() == content


@pytest.mark.parametrize(
    "make",
    [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("nowhere")],
    ids=["folder", "fifo", "symlink"],
)
def test_something_else_of_that_name_is_refused(tmp_path, make):
    make(tmp_path / LOCK)
    with pytest.raises(BadInput, match=r"cannot be locked|in use by an unknown process"), occupied(tmp_path):
        pytest.fail("took it")


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="cannot be made"), occupied(tmp_path / "file" / "study"):
        pytest.fail("made it")


def test_a_new_folder_goes_again_unless_something_was_written(tmp_path):
    with pytest.raises(BadInput, match="refused"), occupied(tmp_path / "a" / "b"):
        raise BadInput("refused")
    assert list(tmp_path.iterdir()) == []
    with occupied(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "study.yaml").touch()
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["study.yaml"]


def test_the_owner_keeps_its_lock_young(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "REFRESH_S", 0.02)
    with occupied(tmp_path):
        age(tmp_path / LOCK, STALE_S + 20)
        wait_until(lambda: time.time() - (tmp_path / LOCK).stat().st_mtime < STALE_S)


@pytest.mark.parametrize("lose", [Path.unlink, lambda path: path.write_bytes(b"another's")])
def test_whoever_lost_its_lock_is_ended_and_leaves_the_other_s_alone(tmp_path, monkeypatch, lose):
    monkeypatch.setattr(lock, "REFRESH_S", 0.02)
    with pytest.raises(KeyboardInterrupt), occupied(tmp_path):  # noqa: PT012
        lose(tmp_path / LOCK)
        wait_until(lambda: False)
    assert not (tmp_path / LOCK).exists() or (tmp_path / LOCK).read_bytes() == b"another's"


def wait_until(true, seconds=20):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)
