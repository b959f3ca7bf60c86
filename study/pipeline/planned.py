"""What `setsum run --dry-run` prints: the plan of a study, or of each study of a series."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from math import prod
from pathlib import Path
from typing import Any

from study.pipeline.board import clock
from study.pipeline.machine import free_disk, memory
from study.pipeline.plan import ArmPlan, Plan, plan_study
from study.pipeline.rehearsal import rehearser
from study.pipeline.series import is_series, members
from study.record import FORMAT
from study.settings import StudySettings
from study.sweep.here import cluster_nodes, resources_of, this_node

UNCHECKED = (
    "the scans' voxels, which are read when the study begins",
    "Ray's start, the test, tables, figures and report: their time and disk come on top",
)


def plan_document(settings: StudySettings, out: Path) -> dict[str, Any]:
    """The plan and the resolved study; the keys are those of `setsum run --dry-run --json`.

    Makes no folder and trains no trial; measures for a few seconds how fast this machine trains.

    Args:
        settings: A study's, a series' or a map's.
        out: Where the study would be written; its disk's free space is looked up.

    Raises:
        BadInput: The study could not run: cohort, split, arms and resources do not fit together.
    """
    has = memory()
    machine = {"free_disk": free_disk(out), "free_memory": has[0] if has else None}
    head = {"format": FORMAT, "machine": machine, "not_checked": list(UNCHECKED)}
    tail = {"settings": settings.model_dump(mode="json")}
    if settings.map is not None:
        return {**head, "kind": "map", "map": _map(settings), **tail}
    address, rehearse = settings.resources.address, rehearser()
    nodes = [resources_of(node) for node in cluster_nodes(address)] if address else [this_node()]
    if not is_series(settings):
        return {**head, "kind": "study", "plan": _plan(plan_study(settings, nodes, rehearse)), **tail}
    plans = {name: _plan(plan_study(study, nodes, rehearse)) for name, study in members(settings).items()}
    return {**head, "kind": "series", "studies": plans, **tail}


def plan_lines(document: Mapping[str, Any]) -> list[str]:
    """The plan for a person."""
    return [*_lines(document), "", "Not checked, not counted: " + "; ".join(document["not_checked"]) + "."]


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    machine = document["machine"]
    if document["kind"] == "map":
        counted = document["map"]
        yield f"a map: {counted['trainings']} trainings, {counted['presentations']:,} presentations"
        yield "how long it takes is not estimated"
        return
    if document["kind"] == "study":
        yield from _study_lines(document["plan"], machine)
        return
    for name, plan in document["studies"].items():
        yield f"study {name}"
        yield from (f"  {line}" for line in _study_lines(plan, machine))
    seconds = sum(plan["seconds"]["total"] for plan in document["studies"].values())
    disk = sum(plan["disk"]["total"] for plan in document["studies"].values())
    yield f"the whole series: about {clock(seconds)}, {_size(disk)} on disk"


def _study_lines(plan: Mapping[str, Any], machine: Mapping[str, Any]) -> Iterator[str]:
    of = ", a phantom cohort that is made first" if plan["phantom"] else ""
    networks = "network" if plan["folds"] == 1 else f"{plan['folds']} networks"
    yield (
        f"{plan['scans']} scans{of}: {plan['development']} to develop on, {plan['test']} locked away for "
        f"the test; a training is {networks}"
    )
    yield ""
    yield f"{'arm':<18}{'trials':>8}{'networks':>10}{'presentations':>16}{'a trial':>10}{'search':>10}"
    for arm in plan["arms"]:
        counts = [arm[name] for name in ("trials", "networks", "presentations")]
        trials, networks, presented = ("?" if count is None else f"{count:,}" for count in counts)
        times = f"{clock(arm['trial_s']):>10}{clock(arm['search_s']):>10}"
        yield f"{arm['arm']:<18}{trials:>8}{networks:>10}{presented:>16}{times}"
    confirm, seconds, chosen = plan["confirm"], plan["seconds"], plan["choices"]
    yield (
        f"{'confirm, at most':<18}{confirm['trainings']:>8,}{confirm['networks']:>10,}"
        f"{confirm['presentations']:>16,}{'':>10}{clock(seconds['confirm']):>10}"
    )
    yield ""
    yield (
        f"time: about {clock(seconds['total'])}, {plan['at_once']} trainings at once, as fast as a few "
        f"seconds of each arm's default configuration went here; starting workers takes "
        f"{clock(seconds['start'])} of it"
    )
    disk = plan["disk"]
    parts = ", ".join(f"{name} {_size(disk[name])}" for name in disk if name != "total" and disk[name])
    yield f"disk: about {_size(disk['total'])} ({parts}); {_size(machine['free_disk'])} are free"
    need = plan["memory"]
    free = f"; {_size(machine['free_memory'])} are free" if machine["free_memory"] else ""
    kind = "of the GPU" if chosen["device"] == "cuda" else "of the machine"
    yield (
        f"memory {kind}: {_size(need['a_training'])} a training, {_size(need['total'])} for "
        f"{plan['at_once']} at once{free if chosen['device'] == 'cpu' else ''}"
    )
    why = chosen["reasons"]
    yield f"precision: {chosen['precision']} ({why['precision']})"
    yield f"threads a trial: {chosen['threads']} ({why['threads']})"
    yield f"GPUs a trial: {chosen['gpus']:g} ({why['gpus']})"
    yield f"trainings at once: {plan['at_once']} ({why['at_once']})"


def _plan(plan: Plan) -> dict[str, Any]:
    def total(field: str) -> int:
        return sum(getattr(arm, field) for arm in plan.arms)

    return {
        "scans": plan.scans,
        "phantom": plan.phantom,
        "development": plan.development,
        "test": plan.test,
        "folds": plan.folds,
        "arms": [_arm(arm) for arm in plan.arms],
        "confirm": {
            "trainings": total("confirmations"),
            "networks": total("confirm_networks"),
            "presentations": total("confirm_presentations"),
        },
        "at_once": plan.at_once,
        "seconds": {
            "start": plan.start_s,
            "search": plan.search_s,
            "confirm": plan.confirm_s,
            "total": plan.start_s + plan.search_s + plan.confirm_s,
        },
        "disk": {**plan.disk, "total": sum(plan.disk.values())},
        "memory": {"a_training": plan.memory_a_trial, "total": plan.memory_a_trial * plan.at_once},
        "choices": asdict(plan.choices),
    }


def _arm(arm: ArmPlan) -> dict[str, Any]:
    names = ("arm", "trials", "networks", "presentations", "trial_s", "search_s", "confirmations")
    return {name: getattr(arm, name) for name in names}


def _map(settings: StudySettings) -> dict[str, int]:
    """Trainings of a map and their presentations; of each of several lengths, the longest is trained."""
    wanted = settings.map
    assert wanted is not None, "asked for only where there is one"
    trainings = prod((len(settings.arms), len(wanted.scans), len(wanted.rater_noise), wanted.cohorts))
    return {"trainings": trainings, "presentations": trainings * max(wanted.presentations)}


def _size(count: float) -> str:
    unit = next(unit for unit in (1e9, 1e6, 1e3) if count >= unit or unit == 1e3)
    return f"{count / unit:.3g} { {1e9: 'GB', 1e6: 'MB', 1e3: 'kB'}[unit] }"
