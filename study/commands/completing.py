"""What the Tab key offers: studies, built-in study files, arms, and the fields of a study file.

A shell starts the command anew at every Tab, so nothing heavy is loaded, and nothing here raises.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer

from study.builtin import built_in_arms, builtin_names

STUDY_FILES = ("study.yaml", "series.yaml")


def study_folders(incomplete: str) -> list[str]:
    """Folders that begin so and hold a study, and those that hold such folders, with a slash at their end."""
    typed = Path(incomplete)
    parent, beginning = (typed, "") if incomplete.endswith("/") else (typed.parent, typed.name)
    head = incomplete[: len(incomplete) - len(beginning)]
    offered = []
    for name in sorted(_folders(parent)):
        if not name.startswith(beginning) or (name.startswith(".") and not beginning):
            continue
        if _is_study(parent / name):
            offered.append(head + name)
        elif any(_is_study(parent / name / inner) for inner in _folders(parent / name)):
            offered.append(f"{head}{name}/")
    return offered


def builtin_studies(incomplete: str) -> list[str]:
    """Built-in study files that begin so."""
    return [name for name in builtin_names() if name.startswith(incomplete)]


def study_fields(context: typer.Context, incomplete: str) -> list[str]:
    """Study files of this folder, and KEY=VALUE fields, that begin so.

    Bash takes `=` for a word's end: the value is then what is typed, and the key stands before it.
    """
    before = list(context.params.get("arguments") or [])
    if before[-1:] == ["="] and len(before) > 1:
        return [value for value in _values(before[-2], incomplete) if value.startswith(incomplete)]
    if not incomplete and before and before[-1] in _fields():
        return _values(before[-1], "")
    if "=" in incomplete:
        key, _, value = incomplete.partition("=")
        return [f"{key}={offer}" for offer in _values(key, value) if offer.startswith(value)]
    files = [path.name for path in sorted(Path.cwd().glob("*.yaml"))]
    # Two offers for a field, so that the shell sets no space behind its `=`.
    fields = [offer for key, value in _fields().items() for offer in (f"{key}=", f"{key}={value}")]
    return [offer for offer in (*files, *fields) if offer.startswith(incomplete)]


def _folders(parent: Path) -> list[str]:
    try:
        with os.scandir(parent) as entries:
            return [entry.name for entry in entries if entry.is_dir()]
    except OSError:
        return []


def _is_study(folder: Path) -> bool:
    return any((folder / name).is_file() for name in STUDY_FILES)


def _fields() -> dict[str, str]:
    """Every field by its dotted key, with its default in YAML's words."""
    from study.regression.config import ASKED, TrialConfig
    from study.settings import StudySettings

    content = StudySettings().model_dump(mode="json", exclude={"format"})
    content["training"] = TrialConfig().model_dump(
        mode="json", exclude={*ASKED, "presentations", "precision"}
    )
    return {key: _written(value) for key, value in _flat(content, "")}


def _flat(section: Mapping[str, Any], before: str) -> Iterator[tuple[str, object]]:
    for name, value in section.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _written(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(map(str, value))}]"
    return str(value)


def _values(key: str, typed: str) -> list[str]:
    """What a field may be: arms behind those already typed, the words it takes, else its default."""
    if key == "arms":
        head = typed[: max(typed.rfind("["), typed.rfind(",")) + 1] or "["
        return [head + name for name in built_in_arms() if name not in head.strip("[,").split(",")]
    words = _choices(key)
    default = _fields().get(key)
    return words or ([default] if default is not None else [])


def _choices(key: str) -> list[str]:
    """The words of a field that takes one of a few."""
    from study.regression.config import TrialConfig
    from study.settings import StudySettings

    section: Any = StudySettings
    *path, name = key.split(".")
    if path == ["training"]:
        section, path = TrialConfig, []
    for part in path:
        field = section.model_fields.get(part)
        section = field.annotation if field else None
        if not hasattr(section, "model_fields"):
            return []
    field = section.model_fields.get(name)
    if field is None:
        return []
    if field.annotation is bool:
        return ["true", "false"]
    return _literals(field.annotation)


def _literals(annotation: Any) -> list[str]:  # noqa: ANN401 - any type
    if get_origin(annotation) is Literal:
        return [str(word) for word in get_args(annotation)]
    return [word for part in get_args(annotation) for word in _literals(part)]
