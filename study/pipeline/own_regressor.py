"""A study with a regressor of the user's own: what has to hold before its first trial."""

import hashlib
from collections.abc import Mapping

from study.badinput import BadInput
from study.regression.config import BASE
from study.regression.named import WHERE, source_file, takes_dropout, try_regressor
from study.settings import StudySettings
from study.sweep.domains import Searched
from study.sweep.spaces import Space


def regressor_of(settings: StudySettings) -> str:
    """The name of a study's regressor."""
    return str(settings.training.get("regressor", BASE))


def check_regressor(settings: StudySettings, spaces: Mapping[str, Space]) -> None:
    """Try a regressor of the user's own on scans of the study's shape.

    Raises:
        BadInput: It does not do, or an arm asks about dropout and it takes no rate.
    """
    name = regressor_of(settings)
    if name == BASE:
        return
    for space in spaces.values():
        if _has_dropout(space) and not takes_dropout(name):
            raise BadInput(
                f"the regressor `{name}` takes no `dropout`, and the arm `{space.arm}` asks about it",
                where=WHERE,
                fix="Give its class or function an argument `dropout`, or leave the arm out",
            )
    # Constant in every arm that the package has, and searched in none.
    streamed = any(space.constants.get("execution", "streamed") == "streamed" for space in spaces.values())
    try_regressor(name, settings.preprocessing.shape, streamed=streamed)


def regressor_digest(settings: StudySettings) -> str | None:
    """Of the file that defines the regressor; None for the base regressor.

    Raises:
        BadInput: It is not there any more.
    """
    name = regressor_of(settings)
    return None if name == BASE else hashlib.sha256(source_file(name).read_bytes()).hexdigest()


def _has_dropout(space: Space) -> bool:
    entry = {**space.constants, **space.searched}.get("dropout", 0.0)
    rates = entry.extremes() if isinstance(entry, Searched) else (entry,)
    return any(rate != 0 for rate in rates)
