"""Whether a study is still the one that began: the same cohort, split, search spaces and code."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import analysis.selection
import study
from study.badinput import BadInput
from study.pipeline.own_regressor import regressor_digest, regressor_of
from study.pipeline.prepared import Prepared
from study.record import StudyDirectory, read_json, write_json

ACCEPTABLE = ("code",)
"""What may change on request; the change is then recorded in provenance.json."""


def identity(prepared: Prepared) -> dict[str, Any]:
    """Digests of everything that decides a study's numbers besides its settings."""
    return {
        "fingerprint": prepared.arrays.fingerprint,
        "split": _digest(prepared.directory.split.read_bytes()),
        "spaces": _spaces(prepared),
        "code": code_digest(),
        "regressor": regressor_digest(prepared.settings),
    }


def check_split(directory: StudyDirectory) -> None:
    """Refuse a split that is not the one the study began with.

    Raises:
        BadInput: It has changed.
    """
    began, now = read_json(directory.provenance)["split"], _digest(directory.split.read_bytes())
    if began != now:
        _refuse("split", began, now, directory, f"Restore {directory.split.name}")


def check_question(prepared: Prepared, accept: Collection[str] = ()) -> None:
    """Refuse search spaces or code that are not what the study began with.

    Args:
        prepared: The study as it is now.
        accept: Of `ACCEPTABLE`, what may have changed.

    Raises:
        BadInput: Something has changed; the line names it.
    """
    if unknown := sorted(set(accept) - set(ACCEPTABLE)):
        raise BadInput(
            f"`{unknown[0]}` is no change that can be accepted", where="--accept-change", fix="Accept `code`"
        )
    directory = prepared.directory
    began, spaces = read_json(directory.provenance), _spaces(prepared)
    for arm in sorted({*began["spaces"], *spaces}):
        old, new = began["spaces"].get(arm, "none"), spaces.get(arm, "none")
        if old != new:
            fix = "Restore its file and the settings"
            _refuse(f"search space of the arm `{arm}`", old, new, directory, fix)
    check_code(directory, accept)
    _check_regressor(prepared, accept)


def check_code(directory: StudyDirectory, accept: Collection[str] = ()) -> None:
    """Refuse code that is not what the study, or map, began with; `accept` as for `check_question`.

    Raises:
        BadInput: It has changed.
    """
    began, code = read_json(directory.provenance), code_digest()
    if began["code"] == code:
        return
    if "code" not in accept:
        fix = f"Go back to that code, or go on with `setsum resume {directory.root} --accept-change code`"
        _refuse("code", began["code"], code, directory, fix)
    _record(directory.provenance, began, "code", code)


def _check_regressor(prepared: Prepared, accept: Collection[str]) -> None:
    directory = prepared.directory
    began, now = read_json(directory.provenance), regressor_digest(prepared.settings)
    old = began.get("regressor")
    if old == now:
        return
    if "code" not in accept:
        fix = f"Restore its file, or go on with `setsum resume {directory.root} --accept-change code`"
        what = f"regressor `{regressor_of(prepared.settings)}`"
        _refuse(what, str(old), str(now), directory, fix)
    _record(directory.provenance, began, "regressor", now)


def code_digest() -> str:
    """Of every Python file that has a part in a study's numbers, whether committed or not."""
    package = Path(study.__file__).parent
    files = [*sorted(package.rglob("*.py")), Path(analysis.selection.__file__)]
    return _digest(b"".join(file.name.encode() + b"\0" + file.read_bytes() for file in files))


def _spaces(prepared: Prepared) -> dict[str, str]:
    # Where a file lies is no part of the question.
    bare = {arm: replace(space, where="") for arm, space in prepared.spaces.items()}
    return {arm: _digest(repr(space).encode()) for arm, space in bare.items()}


def _refuse(what: str, old: str, new: str, directory: StudyDirectory, fix: str) -> None:
    raise BadInput(
        f"the {what} has changed since the study began ({old[:12]}, now {new[:12]})",
        where=str(directory.root),
        fix=f"{fix}, or start a new study with --out",
    )


def _record(path: Path, began: Mapping[str, Any], what: str, now: str | None) -> None:
    change = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "what": what,
        "from": began.get(what),
        "to": now,
    }
    accepted = [*began.get("accepted", []), change]
    write_json(path, {**began, what: now, "accepted": accepted})


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
