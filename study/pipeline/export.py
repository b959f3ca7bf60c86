"""The export stage: each arm's winner with its confirmed models; the runners-up if asked for."""

from collections.abc import Collection
from pathlib import Path

from study.badinput import BadInput
from study.pipeline.confirm import winners
from study.pipeline.exported import ranges_of, write_export
from study.pipeline.formats import check_formats
from study.pipeline.leaders import confirmed_leaders, export_leaders, export_pareto
from study.pipeline.prepared import Prepared
from study.pipeline.refit import refresh


def export(prepared: Prepared, formats: Collection[str] = (), top: int | None = None) -> list[Path]:
    """Write export/<arm>/ for every arm's winner; with `top` the leading ones and the Pareto set too. A refit
    that lies in one of these folders is brought up to date, or goes where it is of another configuration.

    Args:
        prepared: A confirmed study.
        formats: `onnx`, `pt2`: graphs beside the weights.
        top: How many leading configurations of each arm.

    Returns:
        What was written: folders, and with `top` the table `pareto.csv`.

    Raises:
        BadInput: Nothing is confirmed yet, or a format cannot be written.
    """
    check_formats(formats)
    if top is not None and top < 1:
        raise BadInput(f"--top must be at least 1, got {top}")
    ranges, written = ranges_of(prepared), []
    for arm, trial in winners(prepared).items():
        folder = prepared.directory.export / arm
        write_export(prepared, folder, arm, trial, ranges, formats)
        refresh(prepared, folder, arm, trial, ranges)
        written.append(folder)
    if top is not None:
        written += export_leaders(prepared, top, ranges)
        for leader in confirmed_leaders(prepared, top):
            refresh(prepared, *leader, ranges)
        written.append(export_pareto(prepared))
    return written
