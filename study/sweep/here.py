"""What this machine has for a study, as a Ray started here would count it; starts nothing."""

from collections.abc import Sequence
from typing import Any

from ray._private.accelerators import NvidiaGPUAcceleratorManager
from ray._private.utils import get_num_cpus

from study.sweep.cluster import living_nodes, room_on, start_ray


def this_node() -> dict[str, float]:
    """CPUs (of the container, where it has fewer) and visible GPUs."""
    visible = NvidiaGPUAcceleratorManager.get_current_process_visible_accelerator_ids()
    found = NvidiaGPUAcceleratorManager.get_current_node_num_accelerators()
    gpus = found if visible is None else min(found, len(visible))
    return {"CPU": float(get_num_cpus()), "GPU": float(gpus)}


def places_on(nodes: Sequence[dict[str, float]], cpus: float, gpus: float) -> int:
    """How many trainings with these resources fit into nodes at once, 0 where none does."""
    return sum(room_on(node, cpus, gpus) for node in nodes)


def cluster_nodes(address: str) -> list[dict[str, Any]]:
    """The living nodes of a cluster as Ray lists them.

    Raises:
        BadInput: No cluster answers at the address.
    """
    with start_ray(address):
        return living_nodes()


def resources_of(node: dict[str, Any]) -> dict[str, float]:
    """CPUs and GPUs of a node that Ray lists."""
    return {kind: float(node["Resources"].get(kind, 0)) for kind in ("CPU", "GPU")}
