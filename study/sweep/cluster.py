"""Starting Ray on this machine or joining a cluster, and what fits into it."""

import logging
import os
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import ray
from filelock import FileLock, Timeout
from ray._private import ray_constants, services

import study
from study.badinput import BadInput

OBJECT_STORE_BYTES = 150 * 2**20
"""Of a Ray started here: images travel by memory map, so next to nothing is kept in it."""
LONGEST_TEMPORARY = 40
"""Characters; Ray's sockets lie below, and their paths may not exceed about 107."""

OWNED = ".owned"
"""File in the temporary folder of a Ray started here, locked while its driver lives."""

PATIENCE_S = 10
"""Seconds that a cluster has to answer."""

QUIET = {
    # The search itself says how many trials may wait, see `study.sweep.following`.
    "TUNE_MAX_PENDING_TRIALS_PG": "100000",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "WANDB_ERROR_REPORTING": "false",
    # A state of all trials that nothing reads back; it is still written at a sweep's beginning and end.
    "TUNE_GLOBAL_CHECKPOINT_S": "inf",
}
LOCAL = QUIET | {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Of a Ray started here; the last keeps its processes on loopback, see `_start_on_loopback`."""
IN_WORKERS = {"RAY_CHDIR_TO_TRIAL_DIR": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
"""What a cluster's workers have to know; those of a Ray started here inherit it."""

STARTED, JOINED = "started", "joined"
_running = ""
"""How `start_ray` came by the Ray of this process: `STARTED`, `JOINED`, or not at all."""


@contextmanager
def start_ray(address: str | None = None, cpus: int | None = None) -> Iterator[None]:
    """Ray for the length of a `with` block; shuts down only what it started.

    Args:
        address: Of a running cluster; None starts Ray on this machine, on loopback, without dashboard.
        cpus: CPUs of a Ray started here; None takes the machine's.

    Raises:
        BadInput: No cluster answers at the address.
    """
    if ray.is_initialized():
        yield
        return
    with _environment(QUIET if address else LOCAL | _authentication()), _temporary_directory() as temporary:
        try:
            if address:
                _connect(address)
            else:
                _start_on_loopback(cpus, temporary)
            _remember(JOINED if address else STARTED)
            yield
        finally:
            _remember("")
            with _undisturbed():
                ray.shutdown()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Without Ctrl-C: a process whose Ray was shut down halfway is aborted when it starts another."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def joined() -> bool:
    """Whether the running Ray is a cluster that `start_ray` joined by its address."""
    return _running == JOINED


def started_here() -> bool:
    """Whether the running Ray is this machine's alone, from `start_ray`."""
    return _running == STARTED


def places(cpus: float, gpus: float) -> int:
    """How many trainings with these resources fit into the running cluster at once.

    Args:
        cpus: CPUs of one training, above 0.
        gpus: GPUs of one training, a share of one or a whole number.

    Raises:
        BadInput: No node has room for a single one; Ray would wait for ever.
    """
    if cpus <= 0 or gpus < 0 or (gpus > 1 and gpus != int(gpus)):
        raise BadInput(
            f"a trial needs more than 0 CPUs and a share of a GPU or whole GPUs, got {cpus:g} and {gpus:g}",
            fix="Change --cpus-per-trial or --gpus-per-trial",
        )
    found = room(cpus, gpus)
    if found == 0:
        nodes = [node["Resources"] for node in living_nodes()]
        largest = [max((node.get(kind, 0) for node in nodes), default=0) for kind in ("CPU", "GPU")]
        raise BadInput(
            f"no node has room for a trial of {cpus:g} CPUs and {gpus:g} GPUs; "
            f"the largest has {largest[0]:g} CPUs and {largest[1]:g} GPUs",
            fix="Lower --cpus-per-trial or --gpus-per-trial, or join another cluster with --address",
        )
    return found


def room(cpus: float, gpus: float) -> int:
    """`places`, or 0 where none fits."""
    return sum(room_on(node["Resources"], cpus, gpus) for node in living_nodes())


def living_nodes() -> list[dict[str, Any]]:
    """The nodes of the running Ray as `ray.nodes` describes them: `NodeID`, `Resources`, ..."""
    listed: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return [node for node in listed if node["Alive"]]


def remotely(function: Callable[..., Any], *, cpus: float, gpus: float, retries: int) -> Any:  # noqa: ANN401
    """A Ray task, which on a GPU has a process to itself.

    Not by `.options(num_gpus=...)`, with which Ray 2.60 gives a process to one task after another: it stays
    on the GPU that it first had, whichever is free, and with whatever broke there.
    """
    return ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=retries)(function)


def room_on(node: dict[str, float], cpus: float, gpus: float) -> int:
    """How many trainings with these resources fit into a node of so many CPUs and GPUs."""
    by_cpu = int(node.get("CPU", 0) / cpus + 1e-9)
    if gpus == 0:
        return by_cpu
    # A share of a GPU never spans two of them.
    available = int(node.get("GPU", 0))
    by_gpu = available * int(1 / gpus + 1e-9) if gpus <= 1 else available // int(gpus)
    return min(by_cpu, by_gpu)


def _authentication() -> dict[str, str]:
    # Who works with a cluster's token keeps it: Ray has read the mode when it was imported.
    return {"RAY_AUTH_MODE": os.environ.get("RAY_AUTH_MODE", "disabled")}


class _GroupOfItsOwn(services.ConsolePopen):
    """A SIGTERM to the driver's process group, as `timeout` sends it, must not end Ray before its trials."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, process_group=0, **kwargs)


def _start_on_loopback(cpus: int | None, temporary: str) -> None:
    # Ray swaps 127.0.0.1 for the machine's own address, and then listens to the network, unless it
    # takes this system for one that cannot be part of a cluster. It has read the variable of LOCAL
    # when it was imported, so in this process the switch itself is set.
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    popen, services.ConsolePopen = services.ConsolePopen, _GroupOfItsOwn  # type: ignore[misc]
    try:
        ray.init(
            address="local",
            num_cpus=cpus,
            object_store_memory=OBJECT_STORE_BYTES,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _node_ip_address="127.0.0.1",
            _temp_dir=temporary,
        )
    finally:
        services.ConsolePopen = popen  # type: ignore[misc]
        ray_constants.ENABLE_RAY_CLUSTER = before


def _connect(address: str) -> None:
    if address.startswith("ray://"):
        raise BadInput(
            "a study's driver runs on a node of its cluster, not at the far end of a Ray Client",
            where=f"--address {address}",
            fix="Run it there with --address auto, by `ray job submit` or as in deploy/",
        )
    said = [""]
    try:
        host, _, port = address.rpartition(":")
        if host and port.isdigit():
            # Ray itself takes minutes to give up.
            socket.create_connection((host, int(port)), PATIENCE_S).close()
        with _standard_error_kept() as said:
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env=_shipped(),
            )
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        token = isinstance(error, ray.exceptions.AuthenticationError) or "InvalidAuthToken" in said[0]
        reason = "without its token it turns everybody away" if token else str(error)
        raise BadInput(
            f"no Ray cluster answers ({reason})",
            where=f"--address {address}",
            fix="Set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN to what the cluster was started with"
            if token
            else "Start one (ray start --head), or leave --address out to use this machine",
        ) from None


@contextmanager
def _standard_error_kept() -> Iterator[list[str]]:
    """What is written to standard error meanwhile, Ray's C++ included: a line a second for a wrong token."""
    said, before = [""], os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield said
        finally:
            os.dup2(before, 2)
            os.close(before)
            kept.seek(0)
            said[0] = kept.read().decode(errors="replace")


def _shipped() -> dict[str, Any]:
    """The package's own code goes to every node, so that all of them run the driver's.

    Nothing else lies in its folder. What a job ships of its own (`ray job submit --working-dir`) is added
    by Ray, which refuses a field that both set.
    """
    return {
        "py_modules": [str(Path(study.__file__).parent)],
        "env_vars": IN_WORKERS,
    }


def _remember(how: str) -> None:
    global _running
    _running = how


@contextmanager
def _environment(settings: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _temporary_directory() -> Iterator[str]:
    found = tempfile.gettempdir()
    base = Path(found if len(found) <= LONGEST_TEMPORARY else "/tmp")  # noqa: S108 - sockets need short paths
    _remove_deserted(base)
    made = Path(tempfile.mkdtemp(prefix="setsum-", dir=base))
    with FileLock(made / OWNED):
        try:
            yield str(made)
        finally:
            shutil.rmtree(made, ignore_errors=True)


def _remove_deserted(base: Path) -> None:
    """Folders that killed drivers left: nobody holds their lock any more."""
    for lock in base.glob(f"setsum-*/{OWNED}"):
        with suppress(OSError, Timeout), FileLock(lock, timeout=0):
            shutil.rmtree(lock.parent, ignore_errors=True)
