"""What a study prints at its end: the table, what limits it, and where to look next."""

import pandas as pd
from rich.console import Console

from analysis.coverage import coverage_sentence
from analysis.members import CELLS, member_folders
from analysis.paying import paying_table, read_cells, readable_map
from analysis.records import Records, read_records
from analysis.selection import confirmed_means
from analysis.side_by_side import readable_side_by_side, side_by_side
from analysis.summary import readable, still_improving, summarise
from analysis.tested import agreement_table
from analysis.words import opened, opening_note
from study.pipeline.exported import CARD
from study.pipeline.table import print_table
from study.record import StudyDirectory, read_json

SIMPLEST = "least regularised within 1 SE"


def _outdated(directory: StudyDirectory, records: Records) -> list[str]:
    """Arms whose export is of a former winner, or was written before the test scans were opened again."""
    openings, old = opened(records.openings)[0], []
    for path in sorted(directory.export.glob(f"*/{CARD}")):
        card, means = read_json(path), confirmed_means(records.confirmed, path.parent.name)
        if len(means) and (card.get("trial"), card.get("test_opened")) != (means.index[0], openings):
            old.append(path.parent.name)
    return old


def print_ending(directory: StudyDirectory, console: Console) -> None:
    """The table of a study's arms as far as it has come; of a series, its studies side by side.

    Raises:
        BadInput: The study has no trials yet.
    """
    if directory.series.exists():
        if (directory.root / CELLS).exists():
            print_table(readable_map(paying_table(read_cells(directory.root))), console)
        else:
            print_table(readable_side_by_side(side_by_side(member_folders(directory.root))), console)
        console.print(f"report: {directory.report}", markup=False, highlight=False, soft_wrap=True)
        return
    records = read_records(directory.root)
    summary = summarise(records, agreement_table(records), still_improving(records))
    rows = readable(summary)
    print_table(rows.drop(columns=SIMPLEST), console)
    lines = [
        f"{arm}: least regularised within one standard error of the winner: {simplest}"
        for arm, simplest in zip(rows["arm"], rows[SIMPLEST], strict=True)
        if simplest[0] == "#"
    ]
    if directory.test_log.exists():
        lines.append(opening_note(records.openings))
    if pd.notna(groups := summary["test_groups"].max()):
        lines.append(coverage_sentence("icc", scans=int(groups)))
    for name, path in (("report", directory.report), ("exports", directory.export)):
        if path.exists():
            lines.append(f"{name}: {path}")
    if old := _outdated(directory, records):
        lines.append(
            f"not up to date in exports: {', '.join(old)}; write them again: setsum export {directory.root}"
        )
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
