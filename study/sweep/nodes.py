"""Every node of a cluster looked at before a trial runs there: storage, code, and the cohort's copy."""

import os
import platform
import secrets
from dataclasses import replace
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from study.badinput import BadInput
from study.sweep.assignment import Assignment
from study.sweep.cluster import living_nodes, started_here
from study.sweep.place import Place, below, beside, exists, read, remove_folder, write
from study.sweep.staged import hand_out

MARKER = "marker"
"""What the driver writes for every node to read."""
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
        storage: Folder, on a disk or in a bucket, that every node has to write to.

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
    name = f".nodes-{secrets.token_hex(8)}"
    marker = below(storage, name, MARKER)
    write(marker, MARKER.encode())
    try:
        asked = {
            node["NodeID"]: _asked(node["NodeID"]).remote(marker, node["NodeID"], assignment)
            for node in nodes
        }
        ray.wait(list(asked.values()), num_returns=len(asked), timeout=PATIENCE_S)
        unfit = {
            f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})": trouble
            for node in nodes
            if (trouble := _answer(asked[node["NodeID"]], node["NodeID"], below(storage, name)))
        }
    finally:
        remove_folder(below(storage, name))
    if unfit:
        raise BadInput(
            "; ".join(f"the node {name} {trouble}" for name, trouble in unfit.items()),
            where=str(storage),
            fix="Mend this, or take the node away; --out or --storage is on storage that all nodes share",
        )


def _asked(node: str) -> Any:  # noqa: ANN401
    there = NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(look).options(num_cpus=0, max_retries=0, scheduling_strategy=there)


def _answer(task: "ray.ObjectRef[str]", node: str, folder: str) -> str:
    """What is wrong with a node, nothing for one that has left."""
    try:
        found: str = ray.get(task, timeout=0)
        if not found and not exists(below(folder, node)):
            return "writes to another folder of the same name"
        return found
    except ray.exceptions.GetTimeoutError:
        return f"has not answered for {PATIENCE_S} s"
    except ray.exceptions.RayError as error:
        gone = node not in {living["NodeID"] for living in living_nodes()}
        return "" if gone else f"runs no task ({_last_line(error)})"


def look(marker: str, node: str, assignment: Assignment) -> str:
    """On a node: what a trial would stumble over there, nothing where all is well."""
    return _storage_trouble(marker, node) or _code_trouble() or _cohort_trouble(assignment)


def _storage_trouble(marker: str, node: str) -> str:
    try:
        if read(marker) != MARKER.encode():
            return "reads another file than was written"
        write(beside(marker, node), f"{platform.node()} {os.getpid()}".encode())
    except FileNotFoundError:
        return "does not see this folder"
    except BadInput as error:
        return f"cannot write here ({error.what})"
    except (OSError, ValueError) as error:
        return f"cannot write here ({error})"
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


def _last_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()[-1:]), type(error).__name__)
