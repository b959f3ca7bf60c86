"""Every node of a cluster looked at before a trial runs there: storage, code, and the cohort's copy."""

import os
import platform
import secrets
from contextlib import suppress
from dataclasses import replace
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from study.badinput import BadInput
from study.sweep.assignment import Assignment
from study.sweep.cluster import living_nodes, started_here
from study.sweep.place import Place, below, read, remove, write
from study.sweep.staged import hand_out

PATIENCE_S = 300
"""Seconds that a node has to answer: its first worker imports torch, and a cohort may be copied there."""
_seen: set[tuple[str, str, str]] = set()
"""Job, node and storage, where all was well."""


def ready(assignment: Assignment, storage: Place) -> Assignment:
    """The assignment as any node of the running Ray can work on it; nodes not seen before are looked at.

    Each one writes into the study's storage and reads what the driver wrote there, imports what a trial
    needs, and gets its copy of the cohort. On a Ray that was started here, nothing is to be done.

    Args:
        assignment: With the arrays where the driver sees them.
        storage: Folder or bucket that every node has to write to.

    Raises:
        BadInput: A node, named, cannot.
    """
    if started_here():
        return assignment
    shared = replace(assignment, origin=hand_out(assignment.arrays, assignment.fingerprint))
    job = ray.get_runtime_context().get_job_id()
    new = [node for node in living_nodes() if (job, node["NodeID"], str(storage)) not in _seen]
    if new:
        _look_at(new, shared, storage)
    _seen.update((job, node["NodeID"], str(storage)) for node in new)
    return shared


def _look_at(nodes: list[dict[str, Any]], assignment: Assignment, storage: Place) -> None:
    marker = f".nodes-{secrets.token_hex(8)}"
    write(below(storage, marker), marker.encode())
    try:
        asked = {
            node["NodeID"]: _asked(node["NodeID"]).remote(str(storage), marker, node["NodeID"], assignment)
            for node in nodes
        }
        ray.wait(list(asked.values()), num_returns=len(asked), timeout=PATIENCE_S)
        unfit = {
            f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})": trouble
            for node in nodes
            if (trouble := _answer(asked[node["NodeID"]], node["NodeID"], storage, marker))
        }
    finally:
        for name in (marker, *(_proof(marker, node["NodeID"]) for node in nodes)):
            with suppress(OSError):
                remove(below(storage, name))
    if unfit:
        raise BadInput(
            "; ".join(f"the node {name} {trouble}" for name, trouble in unfit.items()),
            where=str(storage),
            fix="Mend this, or take the node away; --out is a folder on storage that all nodes share",
        )


def _asked(node: str) -> Any:  # noqa: ANN401
    there = NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(look).options(num_cpus=0, max_retries=0, scheduling_strategy=there)


def _answer(task: "ray.ObjectRef[str]", node: str, storage: Place, marker: str) -> str:
    """What is wrong with a node, nothing for one that has left."""
    try:
        found: str = ray.get(task, timeout=0)
        if not found and not _is_there(below(storage, _proof(marker, node))):
            return "writes to another folder of the same name"
        return found
    except ray.exceptions.GetTimeoutError:
        return f"has not answered for {PATIENCE_S} s"
    except ray.exceptions.RayError as error:
        gone = node not in {living["NodeID"] for living in living_nodes()}
        return "" if gone else f"runs no task ({_last_line(error)})"


def look(storage: Place, marker: str, node: str, assignment: Assignment) -> str:
    """On a node: what a trial would stumble over there, nothing where all is well."""
    return _storage_trouble(storage, marker, node) or _code_trouble() or _cohort_trouble(assignment)


def _storage_trouble(storage: Place, marker: str, node: str) -> str:
    try:
        if read(below(storage, marker)).decode() != marker:
            return "reads another file than was written"
        write(below(storage, _proof(marker, node)), f"{platform.node()} {os.getpid()}".encode())
    except FileNotFoundError:
        return "does not see this folder"
    except BadInput as error:
        return f"cannot write here{error.what.removeprefix('cannot be written')}"
    except OSError as error:
        return f"cannot use it ({error})"
    return ""


def _code_trouble() -> str:
    try:
        import study.sweep.confirm_job
        import study.sweep.trainable  # noqa: F401
    except ImportError as error:
        return f"lacks a package ({error}); install there what setsum depends on"
    return ""


def _cohort_trouble(assignment: Assignment) -> str:
    try:
        assignment.cohort()
    except (BadInput, OSError) as error:
        return f"cannot hold a copy of the cohort ({error})"
    return ""


def _proof(marker: str, node: str) -> str:
    return f"{marker}-{node[:16]}"


def _is_there(place: Place) -> bool:
    try:
        return bool(read(place))
    except OSError:
        return False


def _last_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()[-1:]), type(error).__name__)
