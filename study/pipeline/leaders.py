"""Configurations beside the winners: each arm's leading ones, and those that no other beats at their cost."""

import shutil
from pathlib import Path

from analysis.pareto import pareto_table
from analysis.records import read_records
from analysis.selection import confirmed_means, select_trials
from study.cohort.ranges import Ranges
from study.pipeline.exported import CONFIG, confirmations, recipe_of, write_export
from study.pipeline.prepared import Prepared
from study.record import read_frame, write_text, write_yaml

TOP, PARETO = "top", "pareto"


def export_leaders(prepared: Prepared, top: int, ranges: Ranges) -> list[Path]:
    """Write export/<arm>/top/<rank>-trial-<trial>/ for the `top` leading configurations of every arm.

    Those that were confirmed come first, by their confirmed means, with their models and cards; then
    those that were only searched, by their scores, as `config.yaml` alone.
    """
    folders: list[Path] = []
    for arm in prepared.spaces:
        mine = _folders(prepared, arm, top)
        for folder, trial in mine.items():
            if len(confirmations(prepared, arm, trial)):
                write_export(prepared, folder, arm, trial, ranges)
            else:
                _write_recipe(prepared, folder / CONFIG, arm, trial)
        _only(prepared.directory.export / arm / TOP, list(mine))
        folders += mine
    return folders


def confirmed_leaders(prepared: Prepared, top: int) -> list[tuple[Path, str, int]]:
    """Folder, arm and trial of those that `export_leaders` writes with their models."""
    return [
        (folder, arm, trial)
        for arm in prepared.spaces
        for folder, trial in _folders(prepared, arm, top).items()
        if len(confirmations(prepared, arm, trial))
    ]


def _folders(prepared: Prepared, arm: str, top: int) -> dict[Path, int]:
    """Where the leading trials of an arm go, by rank."""
    place = prepared.directory.export / arm / TOP
    ranked = enumerate(leaders(prepared, arm, top), start=1)
    return {place / f"{rank}-trial-{trial}": trial for rank, trial in ranked}


def leaders(prepared: Prepared, arm: str, top: int) -> list[int]:
    """The leading trials of an arm, at most `top`: confirmed ones, then searched ones."""
    confirmed, trials = read_frame(prepared.directory.confirmed), read_frame(prepared.directory.trials)
    best = [int(str(trial)) for trial in confirmed_means(confirmed, arm).index]
    searched = [int(trial) for trial in select_trials(trials, arm, len(trials))["trial"]]
    return [*best, *(trial for trial in searched if trial not in best)][:top]


def export_pareto(prepared: Prepared) -> Path:
    """Write export/pareto.csv and export/<arm>/pareto/trial-<trial>.yaml, a recipe a row of it.

    Returns:
        The table.
    """
    table = pareto_table(read_records(prepared.directory.root))
    root = prepared.directory.export
    files = [
        root / arm / PARETO / f"trial-{trial}.yaml"
        for arm, trial in zip(table["arm"], table["trial"], strict=True)
    ]
    for file, arm, trial in zip(files, table["arm"], table["trial"], strict=True):
        _write_recipe(prepared, file, arm, int(trial))
    for arm in prepared.spaces:
        _only(root / arm / PARETO, files)
    table["recipe"] = [file.relative_to(root).as_posix() for file in files]
    path = root / "pareto.csv"
    write_text(path, table.to_csv(index=False))
    return path


def _write_recipe(prepared: Prepared, path: Path, arm: str, trial: int) -> None:
    write_yaml(path, recipe_of(prepared, arm, trial).model_dump(mode="json"))


def _only(place: Path, kept: list[Path]) -> None:
    """Take away what an earlier export left in a folder of its own."""
    for entry in set(place.iterdir()) - set(kept) if place.is_dir() else ():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
