"""`run_study` and `load_study`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from study.api.orderly import orderly
from study.api.series import Series
from study.api.study import Study
from study.badinput import BadInput
from study.plainyaml import parse_yaml, read_yaml
from study.record import FORMAT, StudyDirectory
from study.settings import StudySettings, builtin_text, settings_of


def run_study(
    settings: str | Path | Mapping[str, Any] | None = None,
    *,
    out: str | Path = "setsum-study",
    cohort: str | Path | None = None,
    **overrides: object,
) -> Study | Series:
    """Everything that `setsum run` does; a folder that holds the same study is continued.

    Args:
        settings: A study file, or its content; None is the built-in quick study.
        out: The study directory.
        cohort: A folder or manifest of scans, in place of the settings' own.
        overrides: Single fields by their dotted names: `**{"budget.trials": 4}`.

    Returns:
        The study, or where several are asked for their series.

    Raises:
        BadInput: Settings, cohort or folder cannot be used; one line says why.
        KeyboardInterrupt: Ctrl-C, or a notebook's stop button; what was done is saved.
    """
    wanted = _settings(settings, {**({"cohort.path": cohort} if cohort is not None else {}), **overrides})
    root = Path(out)
    from study.pipeline.whole import run

    with orderly(root) as progress:
        run(wanted, root, progress)
    return load_study(root)


def load_study(path: str | Path) -> Study | Series:
    """A study directory, or that of a series, to be looked at.

    Raises:
        BadInput: There is none.
    """
    place = StudyDirectory(Path(path).resolve())
    if place.series.is_file():
        return Series(place.root)
    if place.settings.is_file():
        return Study(place.root)
    raise BadInput(
        "no study here (study.yaml is missing)", where=str(path), fix="Start one: run_study(..., out=...)"
    )


def _settings(
    settings: str | Path | Mapping[str, Any] | None, overrides: Mapping[str, object]
) -> StudySettings:
    fields = list(_plain(overrides).items())
    if settings is None:
        return settings_of(parse_yaml(builtin_text("quick"), "quick study"), "quick study", None, fields)
    if isinstance(settings, Mapping):
        given = _plain(settings)
        nested = {"format": FORMAT} | {key: value for key, value in given.items() if "." not in key}
        dotted = [(key, value) for key, value in given.items() if "." in key]
        return settings_of(nested, "settings", Path.cwd(), dotted + fields)
    path = Path(settings)
    return settings_of(read_yaml(path), str(path), path.resolve().parent, fields)


def _plain(content: Mapping[str, object]) -> dict[str, Any]:
    """A copy as the YAML of a study file would give it: no tuples, paths or numpy numbers."""

    def converted(value: object) -> object:
        if isinstance(value, Path):
            return str(value.resolve())
        if isinstance(value, np.generic | np.ndarray):
            return value.tolist()
        raise TypeError(f"a setting is text, number, list or mapping, got a {type(value).__name__}")

    try:
        plain: dict[str, Any] = json.loads(json.dumps(dict(content), default=converted))
    except (TypeError, ValueError) as error:
        raise BadInput(str(error), where="settings") from error
    return plain
