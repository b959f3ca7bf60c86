"""The words after `setsum run` as a study file and the fields that override it."""

import json
from pathlib import Path

from study.badinput import BadInput


def file_and_fields(arguments: list[str]) -> tuple[Path | None, list[str]]:
    """The study file, if one is named, and the KEY=VALUE fields.

    Raises:
        BadInput: More than one file.
    """
    files = [argument for argument in arguments if "=" not in argument]
    if len(files) > 1:
        raise BadInput(f"one study file at most, got {', '.join(files)}")
    return (Path(files[0]) if files else None), [argument for argument in arguments if "=" in argument]


def fields_of_options(
    cohort: Path | None,
    seed: int | None,
    cpus: float | None,
    gpus: str | None,
    address: str | None,
    storage: str | None = None,
    tracking: str | None = None,
) -> list[str]:
    """The options of `setsum run` as KEY=VALUE fields; those not given leave none."""
    given = {
        # Quoted: a folder's name may hold what means something in YAML, such as ` #`.
        "cohort.path": json.dumps(str(cohort.resolve()), ensure_ascii=False) if cohort else None,
        "seed": seed,
        "resources.cpus_per_trial": cpus,
        "resources.gpus_per_trial": gpus,
        "resources.storage": json.dumps(_absolute(storage), ensure_ascii=False) if storage else None,
        "resources.address": json.dumps(address) if address else None,
        "tracking": None if tracking is None else f"[{tracking}]",
    }
    return [f"{key}={value}" for key, value in given.items() if value is not None]


def _absolute(storage: str) -> str:
    return storage if "://" in storage else str(Path(storage).resolve())
