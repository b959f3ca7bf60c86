"""`gpus_per_trial: auto`: how many trials share a GPU, measured once and written down."""

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from study.pipeline.own_regressor import regressor_of
from study.pipeline.prepared import Prepared
from study.pipeline.progress import Progress
from study.regression.config import TrialConfig
from study.regression.named import source_text
from study.settings import StudySettings
from study.sweep.assignment import Assignment
from study.sweep.cluster import start_ray
from study.sweep.packing import Measured, cpu_places_a_gpu, heaviest, measure_alone, pack

Measure = Callable[[Assignment, TrialConfig, float], Measured]


def with_packing(
    prepared: Prepared, progress: Progress, measure: Measure = measure_alone
) -> tuple[Prepared, dict[str, Any]]:
    """The study with a number for `gpus_per_trial`, and what that number rests on, for provenance.json.

    Args:
        prepared: A study whose settings may say `auto`.
        progress: Told the reason.
        measure: Of one trial alone on a GPU, with so many CPUs.
    """
    resources = prepared.settings.resources
    if resources.gpus_per_trial != "auto":
        return prepared, {}
    with start_ray(resources.address):
        by_cpu = cpu_places_a_gpu(resources.cpus_per_trial)
        if by_cpu == 0:
            progress.note("gpus_per_trial: 0, no GPU with CPUs beside it was found")
            return _resolved(prepared, 0.0), {"packing": {"gpus": 0.0, "reason": "no GPU"}}
        config = heaviest(list(prepared.spaces.values()))
        measured = measure(whole_assignment(prepared), config, resources.cpus_per_trial)
    packing = pack(measured, by_cpu=by_cpu)
    progress.note(f"gpus_per_trial: {packing.gpus:g}, {packing.reason}")
    record = {"packing": {**asdict(packing), **asdict(measured), "config": config.model_dump()}}
    return _resolved(prepared, packing.gpus), record


def _resolved(prepared: Prepared, gpus: float) -> Prepared:
    resources = prepared.settings.resources.model_copy(update={"gpus_per_trial": gpus})
    settings: StudySettings = prepared.settings.model_copy(update={"resources": resources})
    return replace(prepared, settings=settings)


def whole_assignment(prepared: Prepared) -> Assignment:
    """What a worker has to know to measure one trial on a whole GPU."""
    settings = prepared.settings
    return Assignment(
        arrays=prepared.arrays.directory.resolve(),
        fingerprint=prepared.arrays.fingerprint,
        development=prepared.development,
        folds=prepared.folds,
        seed=settings.seed,
        view_seed=settings.seed,
        threads=settings.resources.threads,
        gpus=1,
        regressor=source_text(regressor_of(settings)),
    )
