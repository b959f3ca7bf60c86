"""Two real Ray nodes on loopback, with a token; also run as the driver of a sweep over them.

The second node is as far from the first as one machine allows: its Python lacks this package, its
temporary folder is another, and where the system lets us mount, folders of the first are hidden from it.
"""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import venv
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass
class Cluster:
    """Nodes that were started, each in a process group of its own."""

    folder: Path
    port: int
    environment: dict[str, str]
    started: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.2:{self.port}"

    def node(self, *arguments, python=sys.executable, hidden=(), **variables):
        """Start a node; `hidden` folders are empty for it, where the system lets us mount."""
        # Ray would swap 127.0.0.1 for the machine's address in the network.
        own = f"--node-ip-address=127.0.0.{2 + len(self.started)}"
        program = [python, "-m", "ray.scripts.scripts", "start", "--block", own]
        log = (self.folder / f"node-{len(self.started)}.log").open("wb")
        process = subprocess.Popen(
            [*hiding(hidden), *map(str, program), *arguments],
            env=self.environment | variables,
            cwd=self.folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def head(self, *arguments, **variables):
        self.node("--head", f"--port={self.port}", "--include-dashboard=false", *arguments, **variables)
        until(lambda: is_open(self.port), "the head listens")

    def join(self, *arguments, **changes):
        return self.node("--address", self.address, *arguments, **changes)

    def stop(self, process, number=signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)


@contextmanager
def cluster(folder):
    """A cluster without nodes; all that are started are ended with the block."""
    # Ray's sockets lie below, and their paths are short.
    own = Path(f"/tmp/sc-{secrets.token_hex(3)}")
    own.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment |= {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_TMPDIR": str(own),
        "RAY_worker_niceness": "0",
        "RAY_health_check_period_ms": "1000",
        "RAY_health_check_timeout_ms": "3000",
        "OMP_NUM_THREADS": "1",
    }
    environment.pop("PYTHONPATH", None)
    made = Cluster(folder, free_port(), environment)
    try:
        yield made
    finally:
        for process in made.started:
            made.stop(process)
        for process in made.started:
            process.wait()
        shutil.rmtree(own, ignore_errors=True)


def bare_python(folder):
    """A Python with every library of this one, but without this package."""
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = subprocess.run([python, "-c", where], capture_output=True, text=True, check=True).stdout.strip()
    # A path file of a folder that another path file names is not read: an editable install stays out.
    (Path(own) / "libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return python


def hiding(folders):
    """The beginning of a command for which some folders are empty; nothing where one may not mount."""
    if not folders or not may_mount():
        return []
    mounts = "".join(f'mount -t tmpfs tmpfs "{folder}" && ' for folder in folders)
    return ["unshare", "--mount", "sh", "-c", f'{mounts}exec "$@"', "sh"]


def may_mount():
    if not shutil.which("unshare"):
        return False
    tried = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False
    )
    return tried.returncode == 0


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def is_open(port):
    with suppress(OSError):
        socket.create_connection(("127.0.0.2", port), 1).close()
        return True
    return False


def until(condition, what, seconds=90):
    """Wait for something."""
    for _ in range(seconds * 10):
        if condition():
            return
        time.sleep(0.1)
    raise TimeoutError(what)


# The driver's part: `python clusters.py ADDRESS STUDY NODES FIELDS`.


def drive(address, study, nodes, changes):
    """A sweep as the pipeline starts it, when there are so many nodes; what it said, as JSON."""
    import tiny

    from study.badinput import BadInput
    from study.sweep import cluster
    from study.sweep.nodes import ready
    from study.sweep.sweep import run_sweep

    shipped = cluster._shipped()
    shipped["py_modules"].append(str(Path(__file__).with_name("watched.py")))
    shipped["env_vars"] = shipped["env_vars"] | {"WATCHED": str(study / "steps")}
    shipped["worker_process_setup_hook"] = "watched.watch"
    cluster._shipped = lambda: shipped
    told, events = {}, (study / "events").open("w")

    def progress(state):
        events.write(json.dumps(dict(state)) + "\n")
        events.flush()

    with cluster.start_ray(address):
        until(lambda: len(cluster.living_nodes()) == nodes, "the nodes have joined")
        task = tiny.make_task(study, **changes)
        try:
            ready(task.assignment(), study / "unshared")
        except BadInput as refused:
            told["refused"] = str(refused)
        run_sweep(task, progress=progress)
    print(json.dumps(told))


if __name__ == "__main__":
    drive(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4]))
