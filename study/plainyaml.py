"""YAML that a user wrote, as plain data: numbers, texts, lists and mappings, and nothing else.

Study files, search spaces, recipes and `KEY=VALUE` overrides are read here. They have no need of
anchors, aliases and tags, so these are refused before anything is built from them: a "billion
laughs" file costs an error message and not the machine's memory, and a tag can make no object.
"""

import re
from collections.abc import Hashable
from pathlib import Path

import yaml

from study.badinput import BadInput

MOST_BYTES = 2**20
MOST_LEVELS = 24


def read_yaml(path: Path) -> object:
    """The content of a YAML file.

    Raises:
        BadInput: It cannot be read, is too large, or is not plain YAML.
    """
    try:
        # Never more than the limit, whatever the file claims to be: /dev/zero has no size.
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
        text = content.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise BadInput(
            f"cannot be read ({_reason(error)})", where=str(path), fix="Give a YAML file"
        ) from error
    if len(content) > MOST_BYTES:
        raise BadInput(f"is larger than {MOST_BYTES} bytes", where=str(path), fix="Give a YAML file")
    return parse_yaml(text, str(path))


def parse_yaml(text: str, where: str) -> object:
    """Plain data from YAML text; `where` says in errors where it came from.

    Raises:
        BadInput: It is not YAML, or not plain.
    """
    try:
        _check_plain(text, where)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader, below
    except BadInput as error:
        raise BadInput(error.what, where=error.where or where, fix=error.fix) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # PyYAML lets Python's own errors through, such as that of a number with 5,000 digits.
        raise BadInput(f"not valid YAML ({_reason(error)})", where=where, fix="Correct it") from error


class _Loader(yaml.SafeLoader):
    """The safe loader, without repeated keys, with YAML 1.2's numbers (`1e-5`) and without dates."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        seen: set[object] = set()
        for key, _ in node.value:
            value = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else id(key)
            if value in seen:
                raise BadInput(f"`{key.value}` stands twice (line {key.start_mark.line + 1})")
            seen.add(value)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":merge"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def _check_plain(text: str, where: str) -> None:
    """Refuse anchors, aliases, tags and deep nesting from the stream of events, before any is obeyed."""
    level = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            _refuse(event, "anchors and aliases (& and *)", where)
        if (tag := getattr(event, "tag", None)) is not None:
            _refuse(event, f"tags (here {tag})", where)
        if isinstance(event, yaml.ScalarEvent) and "\0" in event.value:
            _refuse(event, "null characters", where)
        level += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if level > MOST_LEVELS:
            _refuse(event, f"more than {MOST_LEVELS} levels", where)


def _refuse(event: yaml.Event, what: str, where: str) -> None:
    line = event.start_mark.line + 1 if event.start_mark else 1
    raise BadInput(f"not plain YAML: {what} are not read (line {line})", where=where, fix="Write values out")


def _reason(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        mark = error.problem_mark
        return f"{error.problem}, line {mark.line + 1}, column {mark.column + 1}"
    return (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__
