"""What lies in the directory of a series, and in that of a map; apart, so that `status` draws nothing."""

from pathlib import Path

from study.badinput import BadInput
from study.plainyaml import read_yaml
from study.record import StudyDirectory

CELLS = "cells"
"""Folder of a map's results, a JSON file a training."""


def member_folders(root: Path) -> dict[str, Path]:
    """The study directories of a series by name, in their order.

    Raises:
        BadInput: There is no readable series.yaml.
    """
    content = read_yaml(StudyDirectory(root).series)
    if not isinstance(content, dict):
        raise BadInput("is damaged", where=str(StudyDirectory(root).series), fix="Restore it")
    turns = (content.get("validation") or {}).get("outer_folds")
    names = [f"fold-{turn}" for turn in range(1, turns + 1)] if turns else list(content.get("series") or {})
    return {name: root / name for name in names}
