"""What `setsum doctor` finds: the machine, what a study here would choose, and whether one could run."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from study.badinput import BadInput
from study.password import mask
from study.pipeline.choices import Choices, choose
from study.pipeline.machine import (
    available_cpus,
    cpu_name,
    driver_without_torch,
    free_disk,
    gpus,
    memory,
    native_bfloat16,
)
from study.pipeline.provenance import surroundings
from study.settings import StudySettings
from study.sweep.here import cluster_nodes, resources_of, this_node
from study.sweep.place import below, check_place, is_remote
from study.sweep.stored import open_storage

GIB = 2**30


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One row: what was looked at, what was found, why it is so; `broken` where no study could run so."""

    topic: str
    found: str
    why: str = ""
    broken: bool = False


def examine(settings: StudySettings, storage: str, address: str | None) -> list[Finding]:
    """Look at everything that a study needs; what is broken is a finding too, and the others go on.

    Args:
        settings: Of the study that would run.
        storage: Folder or URI that it would be written to.
        address: Of a Ray cluster; None looks at this machine alone and starts no Ray.
    """
    findings = [*_versions(), *_machine()]
    nodes: list[dict[str, float]] = []
    if address:
        findings += _checked("Ray cluster", lambda: _cluster(address, nodes))
    findings += _checked("storage", lambda: _storage(storage))
    where = settings.search.storage or ""
    # A journal file lies in the study directory, and somebody may be writing to it.
    if "://" in where:
        findings += _checked("search storage", lambda: _search_storage(where))
    if nodes or not address:
        findings += _checked("a study here", lambda: _choices(choose(settings, nodes or [this_node()])))
    return findings


def findings_table(findings: list[Finding]) -> pd.DataFrame:
    """The findings as texts, for a person."""
    rows = [
        (finding.topic, f"BROKEN: {finding.found}" if finding.broken else finding.found, finding.why)
        for finding in findings
    ]
    return pd.DataFrame(rows, columns=["what", "found", "why"])


def _checked(topic: str, look: Callable[[], list[Finding]]) -> list[Finding]:
    """What a look finds; what it stumbles over is broken."""
    try:
        return look()
    except BadInput as error:
        return [Finding(topic=topic, found="does not work", why=mask(str(error)), broken=True)]
    except (OSError, RuntimeError, ValueError) as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)
        return [Finding(topic=topic, found="does not work", why=mask(first), broken=True)]


def _versions() -> list[Finding]:
    known = surroundings()
    versions = {"python": known["python"], **known["versions"]}
    said = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    missing = [name for name, version in versions.items() if not version and name != "setsum"]
    yes = Finding(topic="versions", found=said, why=f"code {known['git']}" if known["git"] else "")
    if not missing:
        return [yes]
    return [yes, Finding(topic="versions", found="not installed", why=", ".join(missing), broken=True)]


def _machine() -> Iterator[Finding]:
    counted = int(this_node()["CPU"])
    why = "" if counted == available_cpus() else f"this process may use {available_cpus()}"
    yield Finding(topic="CPUs", found=f"{counted}, {cpu_name()}", why=why)
    native = native_bfloat16()
    yield Finding(
        topic="native bfloat16 (CPU)",
        found="yes" if native else "no",
        why=native or "the CPU names no instructions for it",
    )
    if (has := memory()) is not None:
        yield Finding(topic="memory", found=f"{has[0] / GIB:.1f} of {has[1] / GIB:.1f} GiB free")
    for number, gpu in enumerate(gpus()):
        native = "native bfloat16" if gpu.bfloat16 else "no native bfloat16"
        free = f"{gpu.free / GIB:.1f} of {gpu.total / GIB:.1f} GiB free"
        yield Finding(topic=f"GPU {number}", found=f"{gpu.name}, {free}", why=native)
    if driver_without_torch():
        why = "NVIDIA's driver is installed, but this torch uses no GPU: install its CUDA build"
        yield Finding(topic="GPUs", found="none", why=why)
    elif not gpus():
        yield Finding(topic="GPUs", found="none")


def _cluster(address: str, nodes: list[dict[str, float]]) -> list[Finding]:
    """A row a living node; their resources are added to `nodes`."""
    findings = []
    for node in cluster_nodes(address):
        has = resources_of(node)
        nodes.append(has)
        where = f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
        said = f"{where}: {has['CPU']:g} CPUs, {has['GPU']:g} GPUs"
        tasks = f"{node['Resources'].get('memory', 0) / GIB:.1f} GiB for tasks"
        findings.append(Finding(topic="Ray node", found=said, why=tasks))
    return findings


def _storage(place: str) -> list[Finding]:
    """Write a file there and take it away again; a folder that does not exist yet is not made."""
    if is_remote(place):
        check_place(place)
        return [Finding(topic="storage", found="can be written to", why=mask(place).partition("?")[0])]
    folder = Path(below(place)).absolute()
    check_place(next(parent for parent in (folder, *folder.parents) if parent.exists()))
    free = f"{free_disk(folder) / GIB:.1f} GiB free"
    return [Finding(topic="storage", found=f"can be written to, {free}", why=str(folder))]


def _search_storage(where: str) -> list[Finding]:
    open_storage(where)
    return [Finding(topic="search storage", found="answers", why=mask(where))]


def _choices(chosen: Choices) -> list[Finding]:
    why = chosen.reasons
    packing = f"{1 / chosen.gpus:.0f} trials to a GPU" if 0 < chosen.gpus < 1 else f"{chosen.gpus:g}"
    return [
        Finding(topic="trials train on", found="GPU" if chosen.device == "cuda" else "CPU"),
        Finding(topic="precision", found=chosen.precision, why=why["precision"]),
        Finding(topic="threads a trial", found=str(chosen.threads), why=why["threads"]),
        Finding(topic="scans a pass", found=str(chosen.chunk), why=why["chunk"]),
        Finding(topic="GPUs a trial", found=packing, why=why["gpus"]),
        Finding(
            topic="trials at once",
            found=str(chosen.at_once),
            why=why["at_once"],
            broken=chosen.at_once == 0,
        ),
    ]
