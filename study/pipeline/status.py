"""How far a study is, read from its tables alone."""

from pathlib import Path

from analysis.members import CELLS, member_folders
from study.record import StudyDirectory, read_frame, read_lines


def describe_status(root: Path) -> list[str]:
    """Lines for a person: trials of each arm by status, confirmations, openings of the test set.

    Of a series, those of its studies one after the other.
    """
    directory = StudyDirectory(root)
    if (root / CELLS).is_dir():
        return [f"map: {directory.root}", f"trainings ended: {len(list((root / CELLS).glob('*.json')))}"]
    if directory.series.exists():
        return [
            line
            for name, folder in member_folders(root).items()
            for line in (describe_status(folder) if folder.exists() else [f"study: {name}: not begun"])
        ]
    lines = [f"study: {directory.root}"]
    if directory.trials.exists():
        trials = read_frame(directory.trials, ["arm", "status"])
        for arm, rows in trials.groupby("arm", sort=False):
            counts = ", ".join(f"{count} {status}" for status, count in rows["status"].value_counts().items())
            lines.append(f"sweep {arm}: {counts}")
    else:
        lines.append("sweep: not begun, or its first arm still running")
    if directory.confirmed.exists():
        confirmed = read_frame(directory.confirmed, ["arm"])
        lines.append(f"confirm: {len(confirmed)} trainings")
    openings = read_lines(directory.test_log)
    lines.append(f"test: opened {len(openings)} time(s)" if openings else "test: not opened")
    for name, path in (("report", directory.report), ("exports", directory.export)):
        if path.exists():
            lines.append(f"{name}: {path}")
    return lines
