"""What `setsum run` and `setsum resume` carry out: a study, a series of studies, or a map of phantoms."""

from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from study.badinput import BadInput
from study.pipeline import stages
from study.pipeline.paying import run_map
from study.pipeline.progress import Progress
from study.pipeline.record_of_series import read_record
from study.pipeline.series import is_series, run_series
from study.record import StudyDirectory
from study.settings import StudySettings
from study.sweep.cluster import start_ray


def run(settings: StudySettings, root: Path, progress: Progress) -> None:
    """Everything that a study file asks for; a directory that holds the same is continued.

    Raises:
        BadInput: The directory holds something else, or settings and cohort do not fit together.
    """
    if settings.map is not None:
        if is_series(settings):
            raise BadInput("`map` and a series cannot both be set", where="map", fix="Take one of them out")
        run_map(settings, root, progress)
    elif is_series(settings):
        with _cluster_first(settings, root):
            run_series(settings, root, progress)
    elif settings.experiment is not None:
        raise BadInput(
            "`experiment` belongs to a series", where="experiment", fix="Take it out, or set `series`"
        )
    else:
        with _cluster_first(settings, root):
            stages.run(settings, root, progress)


def _cluster_first(settings: StudySettings, root: Path) -> AbstractContextManager[None]:
    """Join the cluster of a new study before anything is made that would be left lying without it."""
    directory, address = StudyDirectory(root), settings.resources.address
    begun = directory.settings.exists() or directory.series.exists()
    return start_ray(address) if address and not begun else nullcontext()


def resume(root: Path, progress: Progress, accept: Collection[str] = ()) -> None:
    """Whatever is left of it; `accept` as for `open_study`.

    Raises:
        BadInput: There is nothing, or it is not what began.
    """
    record = StudyDirectory(root.resolve()).series
    if not record.is_file():
        stages.resume(root, progress, accept)
        return
    settings = read_record(record)
    if settings.map is not None:
        run_map(settings, root, progress, accept)
    else:
        run_series(settings, root, progress, accept)
