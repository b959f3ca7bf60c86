"""Every way a study is cut short, with real processes really killed; `make kill-matrix`.

A small study is run once without interruption. Then it is begun again and again and hurt at one
instant, taken up with `setsum resume`, and compared bit for bit with the first.

Usage: python tests/kills/matrix.py [driver] [worker] [node] [storage] [disk]
"""

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import HERE, Bench, Damage, lines, wait_until


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
            found = kill_worker("ray::ResourceTrainable", lambda place, a=arm, c=count: lines(place, a) >= c)
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
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "PYTHONPATH": str(HERE.parents[1]),
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
        os.environ.update({name: environment[name] for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN")})
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


@contextlib.contextmanager
def disk(folder: Path, size: str) -> Iterator[Callable[[str], object]]:
    """A real file system of its own, and how to mount it otherwise; needs the right to mount."""
    folder.mkdir()

    def mount(options: str) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)

    mount(f"size={size}")
    try:
        yield lambda options: mount(f"remount,{options}")
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def disks(bench: Bench) -> None:
    """A disk that is full at four sizes, and one that becomes read-only; only root may mount them."""
    if os.geteuid() != 0:
        print("     disk     left out: only root may mount one")
        return
    for size in ("500k", "2m", "5m", "9m"):
        folder = bench.folder / f"disk-{size}"
        with disk(folder, size) as again:
            bench.survive(
                *("storage", f"disk of {size} full"),
                pace="quick",
                expected=(1, 2),
                folder=folder,
                mend=lambda again=again: again("size=100m"),
            )
    folder = bench.folder / "disk-ro"
    with disk(folder, "100m") as again:

        def freeze(process: "subprocess.Popen[bytes]", place: Path) -> None:
            wait_until(process, lambda: lines(place, "base") >= 12)
            # Lazily refused while files are open for writing: try until it is let.
            while subprocess.run(["mount", "-o", "remount,ro", str(folder)], stderr=-3).returncode:
                time.sleep(0.01)

        bench.survive(
            *("storage", "disk becomes read-only", freeze),
            pace="slow",
            expected=(1, 2),
            folder=folder,
            mend=lambda: again("rw"),
        )


def storage(bench: Bench) -> None:
    """A truncated cache, damaged checkpoints, a search storage that is gone."""

    def third_trial(place: Path) -> bool:
        # Recorded is not yet saved: the checkpoint follows the line.
        saved = place.glob("sweeps/base/run-*/trial-00002/checkpoint_*/state.pt")
        return lines(place, "base") >= 12 and any(saved)

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


KINDS = {"driver": drivers, "worker": workers, "node": nodes, "storage": storage, "disk": disks}


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
