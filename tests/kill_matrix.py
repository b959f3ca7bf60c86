"""Every way a study is cut short, with real processes really killed; `make kill-matrix`.

A small study is run once without interruption. Then it is begun again and again and hurt at one
instant, taken up with `setsum resume`, and compared bit for bit with the first.

Usage: python tests/kill_matrix.py [driver] [worker] [node] [storage]
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import yaml
from optuna.storages.journal import JournalFileBackend, JournalStorage

from study.cohort.phantom import write_phantom
from study.record import StudyDirectory, read_lines

HERE = Path(__file__).parent
SMALL = [
    *("arms=[base, set_sum]", "preprocessing.shape=[8, 8, 8]", "split.test=6", "validation.folds=2"),
    *("budget.trials=6", "training.reports=4", "training.scans_per_step=4", "precision=float32"),
    *("confirm.top=2", "confirm.seeds=1"),
]
PACE = {"quick": 48, "slow": 480}
"""Presentations: enough for a kill in the middle of a file, or in the middle of a trial."""
MEASURED = {"seconds", "peak_memory_mb", "host", "ray_trial"}
"""What no two runs share."""
PATIENCE_S = 300

Damage = Callable[["subprocess.Popen[bytes]", Path], None]


class Bench:
    """A folder with a cohort, one uninterrupted study a kind, and a table of what was survived."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cohort = write_phantom(folder / "cohort", kind="wmh", scans=24, shape=12, seed=5)
        self.references: dict[str, Path] = {}
        self.rows: list[tuple[str, str, str]] = []

    def reference(self, pace: str, fields: tuple[str, ...]) -> Path:
        name = "-".join([pace, *fields])
        if name not in self.references:
            place = self.folder / f"reference-{len(self.references)}"
            end = self.begin(place, pace, fields).wait(PATIENCE_S)
            assert end == 0, (place.with_suffix(".log")).read_text()
            self.references[name] = place
        return self.references[name]

    def begin(
        self, place: Path, pace: str, fields: tuple[str, ...], fault: str = "none", *flags: str
    ) -> "subprocess.Popen[bytes]":
        given = ["run", "--cohort", str(self.cohort), "--out", str(place), *flags, *SMALL, *fields]
        return command(place, fault, *given, f"budget.presentations={PACE[pace]}")

    def survive(
        self,
        kind: str,
        instant: str,
        damage: Damage | None = None,
        *,
        pace: str = "quick",
        fields: tuple[str, ...] = ("resources.cpus_per_trial=1.5",),
        fault: str = "none",
        expected: tuple[int, ...] = (-signal.SIGKILL,),
        flags: tuple[str, ...] = (),
    ) -> None:
        """Begin, damage, resume unless the study went through, compare; the outcome becomes a row."""
        reference = self.reference(pace, fields)
        place = self.folder / f"study-{len(self.rows):02d}"
        process = self.begin(place, pace, fields, fault, *flags)
        try:
            if damage:
                damage(process, place)
            code = process.wait(PATIENCE_S)
            done = completed(place)
            if code not in expected:
                raise AssertionError(f"ended with {code}: {place.with_suffix('.log').read_text()[-500:]}")
            if code != 0:
                self.resume(place, pace, fields)
            compare(place, reference, done)
            outcome = "the same"
        except Exception as error:
            # A table with a hole says more than no table.
            outcome = f"FAILED: {type(error).__name__}: {str(error)[:400]}"
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        self.rows.append((kind, instant, outcome))
        print(f"{len(self.rows):3d}  {kind:8s} {instant:55s} {outcome}", flush=True)
        if outcome == "the same":
            shutil.rmtree(place)

    def resume(self, place: Path, pace: str, fields: tuple[str, ...]) -> None:
        # Killed before the study file was there: the same command again goes on.
        again = (
            command(place, "none", "resume", str(place))
            if (place / "study.yaml").exists()
            else self.begin(place, pace, fields)
        )
        code = again.wait(PATIENCE_S)
        assert code == 0, f"resume ended with {code}: {place.with_suffix('.log').read_text()[-500:]}"


def command(place: Path, fault: str, *arguments: str) -> "subprocess.Popen[bytes]":
    """The setsum command in a process of its own, what it prints in a file beside the study."""
    environment = {**os.environ, "FAULT": fault, "PYTHONPATH": str(HERE.parent), "OMP_NUM_THREADS": "1"}
    with place.with_suffix(".log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, str(HERE / "kill_driver.py"), *arguments],
            env=environment,
            stdout=log,
            stderr=log,
        )


def completed(place: Path) -> Counter[tuple[str, int]]:
    """How often each trial has been recorded as completed."""
    rows = [
        (path.parts[-3], row["trial"])
        for path in place.glob("sweeps/*/run-*/results.jsonl")
        for row in read_lines(path)
        if row.get("status") == "completed"
    ]
    return Counter(rows)


def compare(place: Path, reference: Path, done: Counter[tuple[str, int]]) -> None:
    """The study is the reference, bit for bit, and every file in it can be read."""
    for name in ("trials", "curves", "oof", "confirmed", "predictions"):
        ours, theirs = (
            pd.read_parquet(root / f"{name}.parquet").drop(columns=MEASURED, errors="ignore")
            for root in (place, reference)
        )
        key = [column for column in ("stage", "cohort", "arm", "trial", "seed", "report") if column in ours]
        ours, theirs = (t.sort_values(key, kind="stable", ignore_index=True) for t in (ours, theirs))
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True, obj=name)
    for weights in sorted(reference.glob("export/*/model.safetensors")):
        again = place / weights.relative_to(reference)
        assert again.read_bytes() == weights.read_bytes(), f"other weights in {again}"
    twice = [trial for trial, count in completed(place).items() if count > 1]
    assert not twice, f"completed twice: {twice}"
    assert done.keys() <= completed(place).keys()
    assert len(read_lines(place / "test_log.jsonl")) >= 1
    readable(place)
    for arm in ("base", "set_sum"):
        storage = JournalStorage(JournalFileBackend(str(StudyDirectory(place).journal)))
        states = {trial.state.name for trial in optuna.load_study(study_name=arm, storage=storage).trials}
        assert states == {"COMPLETE"}, f"{arm} holds {states}"


def readable(place: Path) -> None:
    """No file is half there; what lies in a run's folder besides its results is Ray's."""
    for path in place.rglob("*"):
        assert not path.name.endswith(".part"), f"left over: {path}"
        if any(part.startswith("run-") for part in path.parts):
            continue
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".yaml":
            yaml.safe_load(path.read_text())
        elif path.suffix == ".parquet":
            pd.read_parquet(path)
        elif path.suffix == ".npy":
            np.load(path, mmap_mode="r")


def wait_until(process: "subprocess.Popen[bytes]", found: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not found():
        assert process.poll() is None, f"it ended before it could be hurt, with {process.poll()}"
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def lines(place: Path, arm: str) -> int:
    return sum(len(read_lines(path)) for path in place.glob(f"sweeps/{arm}/run-*/results.jsonl"))


def kill_when(found: Callable[[Path], object], after: float = 0.0) -> Damage:
    def damage(process: "subprocess.Popen[bytes]", place: Path) -> None:
        wait_until(process, lambda: found(place))
        time.sleep(after)
        process.kill()

    return damage


def drivers(bench: Bench) -> None:
    """The driver killed at 20 instants, 12 of them in the middle of a write."""
    writes = [
        ("images.npy", 1),
        ("split.json", 1),
        ("study.yaml", 1),
        ("optuna.journal", 40),
        ("results.jsonl", 11),
        ("results.jsonl", 45),
        ("trials.parquet", 1),
        ("oof.parquet", 4),
        ("confirmed.parquet", 1),
        ("predictions.parquet", 1),
        ("curves.svg", 1),
        ("model.safetensors", 2),
    ]
    for name, count in writes:
        bench.survive("driver", f"inside write {count} of {name}", fault=f"kill:{name}:{count}")
    moments: list[tuple[str, Callable[[Path], object], float]] = [
        ("while the cohort is read", lambda place: place.exists(), 0.05),
        ("while Ray starts", lambda place: (place / "study.yaml").exists(), 1.0),
        ("after the first report", lambda place: lines(place, "base") >= 2, 0.0),
        ("in the fourth trial", lambda place: lines(place, "base") >= 17, 0.05),
        ("between two arms", lambda place: (place / "trials.parquet").exists(), 0.0),
        ("late in the second arm", lambda place: lines(place, "set_sum") >= 26, 0.1),
        ("while a confirmation trains", lambda place: list(place.glob("confirm/*/*/state.pt")), 0.0),
        ("after the first confirmation", lambda place: list(place.glob("confirm/*/*/result.json")), 0.1),
    ]
    for what, found, after in moments:
        bench.survive("driver", what, kill_when(found, after), pace="slow")


def children(process: "subprocess.Popen[bytes]", name: str) -> list[int]:
    """Processes whose title begins so, below a driver."""
    found = []
    parents = {process.pid}
    listing = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(None, 2) for line in listing.stdout.splitlines()]
    while True:
        more = {int(pid) for pid, parent, _ in rows if int(parent) in parents} - parents
        if not more:
            break
        parents |= more
    for pid, _, title in rows:
        if int(pid) in parents and title.startswith(name):
            found.append(int(pid))
    return found


def kill_worker(name: str, found: Callable[[Path], object], times: int = 1) -> Damage:
    def damage(process: "subprocess.Popen[bytes]", place: Path) -> None:
        wait_until(process, lambda: found(place))
        killed: set[int] = set()
        for _ in range(times):
            wait_until(process, lambda: set(children(process, name)) - killed)
            for worker in set(children(process, name)) - killed:
                killed.add(worker)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)

    return damage


def workers(bench: Bench) -> None:
    """The process of a trial or a confirmation killed at 10 instants: the study goes on by itself."""
    for arm in ("base", "set_sum"):
        for count in (1, 6, 13, 22):
            found = kill_worker("ray::SetSumTrial", lambda place, a=arm, c=count: lines(place, a) >= c)
            bench.survive(
                "worker", f"a trial's, {arm}, after line {count}", found, pace="slow", expected=(0,)
            )
    for count in (0, 2):
        found = kill_worker(
            "ray::train", lambda place, c=count: len(list(place.glob("confirm/*/*/result.json"))) >= c
        )
        bench.survive("worker", f"a confirmation's, after {count} ended", found, pace="slow", expected=(0,))


@contextlib.contextmanager
def two_nodes(folder: Path) -> Iterator[tuple[str, Callable[[], "subprocess.Popen[bytes]"]]]:
    """Address of a Ray head, and how a second node joins it."""
    port = "26379"
    environment = {
        **os.environ,
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
        "PYTHONPATH": str(HERE.parent),
        "RAY_health_check_period_ms": "500",
        "RAY_health_check_timeout_ms": "1000",
    }
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> "subprocess.Popen[bytes]":
        program = [str(Path(sys.executable).parent / "ray"), "start", "--block", *arguments]
        process = subprocess.Popen(
            program,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        started.append(process)
        return process

    def join() -> "subprocess.Popen[bytes]":
        return start("--address", f"127.0.0.1:{port}", "--node-ip-address=127.0.0.1", "--num-cpus=1")

    try:
        start(
            *("--head", f"--port={port}", "--node-ip-address=127.0.0.1", "--num-cpus=1"),
            *("--include-dashboard=false", f"--temp-dir={folder}"),
        )
        time.sleep(8)
        os.environ["RAY_AUTH_MODE"] = "disabled"
        yield f"127.0.0.1:{port}", join
    finally:
        for process in started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def nodes(bench: Bench) -> None:
    """A whole node, with the trials on it, lost at 5 instants: the study goes on on the other."""
    fields = ("search.sampler=random",)
    with (
        tempfile.TemporaryDirectory(prefix="km-", ignore_cleanup_errors=True) as folder,
        two_nodes(Path(folder)) as (address, join),
    ):
        for arm, count in (("base", 1), ("base", 8), ("base", 17), ("set_sum", 4), ("set_sum", 15)):
            node = join()
            time.sleep(6)

            def damage(
                process: "subprocess.Popen[bytes]", place: Path, arm=arm, count=count, node=node
            ) -> None:
                wait_until(process, lambda: lines(place, arm) >= count)
                os.killpg(node.pid, signal.SIGKILL)

            bench.survive(
                "node",
                f"one of two, {arm}, after line {count}",
                damage,
                pace="slow",
                fields=fields,
                flags=("--address", address),
                expected=(0,),
            )


def storage(bench: Bench) -> None:
    """A full disk, a truncated cache, a damaged checkpoint, a search storage that is gone."""
    for name, count in (("results.jsonl", 9), ("trials.parquet", 2), ("predictions.parquet", 1)):
        bench.survive(
            "storage", f"disk full at write {count} of {name}", fault=f"full:{name}:{count}", expected=(1,)
        )

    def third_trial(place: Path) -> bool:
        return lines(place, "base") >= 12

    def then(change: Callable[[Path], None]) -> Damage:
        def damage(process: "subprocess.Popen[bytes]", place: Path) -> None:
            kill_when(third_trial)(process, place)
            process.wait()
            change(place)

        return damage

    def truncate_cache(place: Path) -> None:
        os.truncate(place / "cohort" / "images.npy", 1000)

    def damage_checkpoints(place: Path) -> None:
        states = list(place.glob("sweeps/*/run-*/trial-*/checkpoint_*/state.pt"))
        assert states
        for state in states:
            state.write_bytes(state.read_bytes()[:-200] + bytes(100))

    changes = {
        "truncated cohort cache": truncate_cache,
        "damaged checkpoints": damage_checkpoints,
        "search storage deleted": lambda place: (place / "optuna.journal").unlink(),
    }
    for what, change in changes.items():
        bench.survive("storage", what, then(change), pace="slow")

    def vanish(process: "subprocess.Popen[bytes]", place: Path) -> None:
        wait_until(process, lambda: third_trial(place))
        (place / "optuna.journal").unlink()

    bench.survive(
        "storage", "search storage deleted under a running study", vanish, pace="slow", expected=(0, 1, 2)
    )


KINDS = {"driver": drivers, "worker": workers, "node": nodes, "storage": storage}


def main(kinds: list[str]) -> int:
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        bench = Bench(Path(folder))
        for kind in kinds or KINDS:
            KINDS[kind](bench)
    failed = sum(outcome != "the same" for *_, outcome in bench.rows)
    print(f"{len(bench.rows)} interruptions, {failed} not survived, {time.monotonic() - begin:.0f} s")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
