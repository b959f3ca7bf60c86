"""Starting Ray on this machine or joining a cluster, and what fits into it."""

import logging
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import ray
from filelock import FileLock, Timeout
from ray._private import ray_constants

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
            yield
        finally:
            ray.shutdown()


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
    listed: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    nodes = [node["Resources"] for node in listed if node["Alive"]]
    room = sum(_room(node, cpus, gpus) for node in nodes)
    if room == 0:
        largest = [max((node.get(kind, 0) for node in nodes), default=0) for kind in ("CPU", "GPU")]
        raise BadInput(
            f"no node has room for a trial of {cpus:g} CPUs and {gpus:g} GPUs; "
            f"the largest has {largest[0]:g} CPUs and {largest[1]:g} GPUs",
            fix="Lower --cpus-per-trial or --gpus-per-trial, or join another cluster with --address",
        )
    return room


def _room(node: dict[str, float], cpus: float, gpus: float) -> int:
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


def _start_on_loopback(cpus: int | None, temporary: str) -> None:
    # Ray swaps 127.0.0.1 for the machine's own address, and then listens to the network, unless it
    # takes this system for one that cannot be part of a cluster. It has read the variable of LOCAL
    # when it was imported, so in this process the switch itself is set.
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
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
        ray_constants.ENABLE_RAY_CLUSTER = before


def _connect(address: str) -> None:
    try:
        host, _, port = address.removeprefix("ray://").rpartition(":")
        if host and port.isdigit():
            # Ray itself takes minutes to give up.
            socket.create_connection((host, int(port)), PATIENCE_S).close()
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"env_vars": {"RAY_CHDIR_TO_TRIAL_DIR": "0"}},
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise BadInput(
            f"no Ray cluster answers ({error})",
            where=f"--address {address}",
            fix="Start one (ray start --head), or leave --address out to use this machine",
        ) from None


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
