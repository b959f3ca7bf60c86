"""How far a study is, read from its tables alone."""

from pathlib import Path
from typing import Any

from analysis.members import CELLS, member_folders
from study.record import FORMAT, StudyDirectory, read_frame, read_lines


def study_status(root: Path) -> dict[str, Any]:
    """Trials of each arm by status, confirmations, openings of the test set; of a series, a list of these.

    The keys are those of `setsum status --json`.
    """
    directory = StudyDirectory(root)
    if (root / CELLS).is_dir():
        ended = len(list((root / CELLS).glob("*.json")))
        return {"format": FORMAT, "kind": "map", "study": str(directory.root), "trainings": ended}
    if directory.series.exists():
        studies = {
            name: study_status(folder) if folder.exists() else None
            for name, folder in member_folders(root).items()
        }
        return {"format": FORMAT, "kind": "series", "study": str(directory.root), "studies": studies}
    confirmed = directory.confirmed
    places = {"report": directory.report, "exports": directory.export}
    return {
        "format": FORMAT,
        "kind": "study",
        "study": str(directory.root),
        "trials": _trials(directory),
        "confirmed": len(read_frame(confirmed, ["arm"])) if confirmed.exists() else None,
        "test_openings": len(read_lines(directory.test_log)),
        **{name: str(path) if path.exists() else None for name, path in places.items()},
    }


def _trials(directory: StudyDirectory) -> dict[str, dict[str, int]] | None:
    """Counts by arm and status; None before the first arm has ended."""
    if not directory.trials.exists():
        return None
    trials = read_frame(directory.trials, ["arm", "status"])
    return {
        str(arm): {str(status): int(count) for status, count in rows["status"].value_counts().items()}
        for arm, rows in trials.groupby("arm", sort=False)
    }


def describe_status(root: Path) -> list[str]:
    """`study_status` as lines for a person."""
    return _lines(study_status(root))


def _lines(status: dict[str, Any]) -> list[str]:
    if status["kind"] == "map":
        return [f"map: {status['study']}", f"trainings ended: {status['trainings']}"]
    if status["kind"] == "series":
        return [
            line
            for name, study in status["studies"].items()
            for line in (_lines(study) if study else [f"study: {name}: not begun"])
        ]
    lines = [f"study: {status['study']}"]
    for arm, counts in (status["trials"] or {}).items():
        lines.append(f"sweep {arm}: " + ", ".join(f"{count} {how}" for how, count in counts.items()))
    if status["trials"] is None:
        lines.append("sweep: not begun, or its first arm still running")
    if status["confirmed"] is not None:
        lines.append(f"confirm: {status['confirmed']} trainings")
    openings = status["test_openings"]
    lines.append(f"test: opened {openings} time(s)" if openings else "test: not opened")
    lines += [f"{name}: {status[name]}" for name in ("report", "exports") if status[name]]
    return lines
