"""Settings as plain data, before they are typed: fields by dotted key, and paths made absolute."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from study.badinput import BadInput
from study.plainyaml import parse_yaml


def anchor(content: dict[str, Any], folder: Path) -> None:
    """Make the file's relative paths absolute, so that they do not depend on the working directory."""
    for section, field in (("cohort", "path"), ("split", "test"), ("resources", "storage")):
        part = content.get(section)
        # In a series' members the key is dotted.
        for place, key in ((part, field), (content, f"{section}.{field}")):
            if isinstance(place, dict) and isinstance(place.get(key), str) and "://" not in place[key]:
                place[key] = str(folder / place[key])
    arms = content.get("arms")
    if isinstance(arms, list):
        content["arms"] = [
            str(folder / arm) if isinstance(arm, str) and arm.endswith(".yaml") else arm for arm in arms
        ]
    anchor_regressor(content, folder)
    series = content.get("series")
    for member in series.values() if isinstance(series, dict) else ():
        if isinstance(member, dict):
            anchor(member, folder)


def anchor_regressor(content: dict[str, Any], folder: Path) -> None:
    """Make the file of the user's own regressor absolute, `mynets.py:small`; a module's name stays."""
    for place, key in ((content.get("training"), "regressor"), (content, "training.regressor")):
        name = place.get(key) if isinstance(place, dict) else None
        if isinstance(place, dict) and isinstance(name, str) and name.rpartition(":")[0].endswith(".py"):
            place[key] = str(folder / name)
    series = content.get("series")
    for member in series.values() if isinstance(series, dict) else ():
        if isinstance(member, dict):
            anchor_regressor(member, folder)


def set_field(content: dict[str, Any], key: str, value: object) -> None:
    """Set one field of plain settings by its dotted key, such as `budget.trials`.

    Raises:
        BadInput: Something on the way is no section.
    """
    *sections, field = key.split(".")
    if sections[:1] == ["series"] and len(sections) > 1:
        # In a study of the series, whose fields are dotted themselves.
        sections, field = sections[:2], ".".join([*sections[2:], field])
    for section in sections:
        content = content.setdefault(section, {})
        if not isinstance(content, dict):
            raise BadInput(f"`{section}` in `{key}` is a value, not a section", where=key)
    content[field] = value


def parsed(override: str) -> tuple[str, object]:
    """Key and value of a `KEY=VALUE`.

    Raises:
        BadInput: It is none, or the value is no plain YAML.
    """
    key, separator, value = override.partition("=")
    if not separator or not key:
        raise BadInput(f"an override is KEY=VALUE, got {override!r}", fix="For example budget.trials=8")
    return key, parse_yaml(value, override)


def fields_of(content: object, where: str) -> list[tuple[str, object]]:
    """Dotted keys and values of a mapping.

    Raises:
        BadInput: It is none.
    """
    if not isinstance(content, dict):
        raise BadInput(f"holds fields and values, got {content!r}", where=where, fix="Empty is {}")
    return [(str(key), value) for key, value in content.items()]


def has_cohort(content: Mapping[str, Any], overridden: Sequence[tuple[str, object]]) -> bool:
    """Whether plain settings name a cohort, once the overrides are in place."""
    cohort = content.get("cohort")
    own = cohort.get("path") if isinstance(cohort, dict) else None
    return {"cohort.path": own, **dict(overridden)}["cohort.path"] is not None
