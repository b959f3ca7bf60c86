"""What a study would choose on this machine (precision, threads, packing, how many trials at once), and why.

The functions are those that decide when the study begins.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from study.pipeline.prepare import MEASURED_SCANS, training_device
from study.pipeline.prepared import read_spaces
from study.pipeline.rehearsal import rehearsed_training
from study.regression.device import check_device, suitable_chunk
from study.regression.precision import GAIN, faster, precision_seconds
from study.regression.regressor import Precision
from study.settings import StudySettings
from study.sweep.here import places_on
from study.sweep.packing import cpu_places, heaviest, measure_training, pack, short
from study.sweep.process import settle


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What was chosen; `reasons` says why, by the choice's name.

    Args:
        device: `cpu` or `cuda`.
        precision: Of the convolutions.
        threads: CPU threads of a trial.
        chunk: Scans that go through a network at once.
        gpus: GPUs of a trial, or its share of one.
        at_once: Trials that run at the same time, 0 where there is no room for one.
        reasons: By `precision`, `threads`, `chunk`, `gpus`, `at_once`.
    """

    device: str
    precision: Precision
    threads: int
    chunk: int
    gpus: float
    at_once: int
    reasons: dict[str, str]


def choose(settings: StudySettings, nodes: Sequence[dict[str, float]]) -> Choices:
    """Decide as `prepare` does, on the machine this runs on; settles the process as a trial's.

    Args:
        settings: The study's.
        nodes: Resources (`CPU`, `GPU`) of the machines that trials would run on.

    Raises:
        BadInput: A GPU is asked for and there is none, or an arm cannot be read.
    """
    resources, shape = settings.resources, settings.preprocessing.shape
    device = training_device(settings)
    check_device(device)
    settle(threads=resources.threads, gpus=1 if device == "cuda" else 0)
    precision, why_precision = _precision(settings, device)
    settings = settings.model_copy(update={"precision": precision})
    gpus, why_gpus = _gpus(settings, nodes, device)
    at_once = places_on(nodes, resources.cpus_per_trial, gpus)
    counted = ", ".join(f"{node['CPU']:g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes)
    return Choices(
        device=device,
        precision=precision,
        threads=resources.threads,
        chunk=suitable_chunk(shape, device),
        gpus=gpus,
        at_once=at_once,
        reasons={
            "precision": why_precision,
            "threads": f"resources.cpus_per_trial is {resources.cpus_per_trial:g}",
            "chunk": f"scans of {_by(shape)} voxels on the {device}",
            "gpus": why_gpus,
            "at_once": f"{counted}; a trial takes {resources.cpus_per_trial:g} and {gpus:g} of them",
        },
    )


def _precision(settings: StudySettings, device: str) -> tuple[Precision, str]:
    if settings.precision != "auto":
        return settings.precision, "the study file says so"
    shape = settings.preprocessing.shape
    seconds = precision_seconds(shape, MEASURED_SCANS, device)
    full, half = (f"{1000 * seconds[name]:.3g} ms" for name in ("float32", "bfloat16"))
    why = (
        f"measured, {MEASURED_SCANS} scans of {_by(shape)}: {full} in float32, {half} in bfloat16, which "
        f"has to be {GAIN:g} times faster"
    )
    return faster(seconds), why


def _gpus(settings: StudySettings, nodes: Sequence[dict[str, float]], device: str) -> tuple[float, str]:
    wanted, cpus = settings.resources.gpus_per_trial, settings.resources.cpus_per_trial
    if wanted != "auto":
        return wanted, "the study file says so"
    by_cpu = cpu_places([node for node in nodes if node.get("GPU", 0) >= 1], cpus)
    if by_cpu == 0 or device == "cpu":
        return 0.0, "no GPU with CPUs beside it was found"
    config = short(heaviest(list(read_spaces(settings).values())))
    training = rehearsed_training(config, settings.preprocessing.shape, device)
    packing = pack(measure_training(training, device), by_cpu=by_cpu)
    return packing.gpus, f"measured: {packing.reason}"


def _by(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
