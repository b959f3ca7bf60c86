"""The record of a series or a map, series.yaml: read back, and compared with what is asked for."""

from collections.abc import Collection
from pathlib import Path

from study.badinput import BadInput
from study.pipeline.lock import CLAIM, LOCK
from study.plainyaml import read_yaml
from study.record import PART, StudyDirectory
from study.settings import StudySettings, validate_settings


def read_record(record: Path) -> StudySettings:
    """The settings that a series began with.

    Raises:
        BadInput: The file is damaged.
    """
    content = read_yaml(record)
    if not isinstance(content, dict):
        raise BadInput("is damaged", where=str(record), fix="Restore it")
    return validate_settings(content, str(record))


def refuse_series(root: Path) -> None:
    """Refuse a folder of several studies where one is asked for.

    Raises:
        BadInput: The line names the studies in it.
    """
    if StudyDirectory(root).series.is_file():
        names = ", ".join(sorted(path.parent.name for path in root.glob("*/study.yaml")))
        fix = f"Name one of the folders in it: {names}"
        raise BadInput("a series of studies", where=str(root), fix=fix.removesuffix(": "))


def check_record(settings: StudySettings, root: Path, known: Collection[str]) -> None:
    """Refuse a folder that holds another series, or none and anything but the `known` entries.

    Raises:
        BadInput: The line names what is there.
    """
    record = StudyDirectory(root).series
    if not record.exists():
        names = sorted(entry.name for entry in root.iterdir())
        foreign = [name for name in names if name not in (*known, LOCK, CLAIM) and not name.endswith(PART)]
        if foreign:
            raise BadInput(
                f"the output folder holds `{foreign[0]}` and no series",
                where=str(root),
                fix="Choose another with --out",
            )
        return
    before, now = read_record(record).model_dump(mode="json"), settings.model_dump(mode="json")
    if changed := [key for key in now if before[key] != now[key]]:
        raise BadInput(
            f"the folder holds a series with other settings ({', '.join(changed)})",
            where=str(root),
            fix="Continue it with `setsum resume`, or choose another folder with --out",
        )
