"""A series: several studies from one file, run one after the other and laid side by side.

A study file becomes a series by one of two fields:

    series:                            # a study each: by name, the fields that differ from the file's own
      mse: {training.loss: mse}
      mae: {training.loss: mae}
    validation: {outer_folds: 5}       # nested cross-validation: studies fold-1 to fold-5

OUT/<name>/ is an ordinary study directory; OUT/series.yaml, written when all of them are prepared, is the
resolved file. What is killed is resumed as a whole, since each study is. The page and the tables of all
(`analysis.series`) come last.
"""

import os
import re
from collections.abc import Collection, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path

from analysis.members import CELLS
from analysis.series import write_series
from study.badinput import BadInput
from study.fields import set_field
from study.pipeline import stages
from study.pipeline.division import Listing, listing
from study.pipeline.lock import occupied
from study.pipeline.prepare import (
    check_division,
    effective_preprocessing,
    prepare,
    read_written,
    settings_cohort,
)
from study.pipeline.prepared import Prepared, read_spaces
from study.pipeline.progress import Progress
from study.pipeline.record_of_series import check_record
from study.pipeline.refusal import leaving_nothing
from study.pipeline.search import is_searched
from study.pipeline.test import tested
from study.record import StudyDirectory, write_yaml
from study.settings import CohortSettings, StudySettings, validate_settings
from study.sweep.cluster import start_ray

LEGAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""Names of studies: they become folders, on any system."""
TAKEN = ("findings", CELLS)


def is_series(settings: StudySettings) -> bool:
    """Whether a study file asks for several studies."""
    nested = settings.validation.outer_folds is not None and settings.split.outer_fold is None
    return settings.series is not None or nested


def members(settings: StudySettings) -> dict[str, StudySettings]:
    """The studies of a series by name, in their order.

    Raises:
        BadInput: A name is no folder's, a field is unknown or out of its range, or a member is a series.
    """
    overrides: Mapping[str, Mapping[str, object]] = settings.series or {}
    if settings.validation.outer_folds is not None:
        if overrides:
            raise BadInput(
                "`series` and `validation.outer_folds` cannot both be set",
                where="series",
                fix="Run each study with outer folds by itself",
            )
        turns = range(1, settings.validation.outer_folds + 1)
        overrides = {f"fold-{turn}": {"split.outer_fold": turn} for turn in turns}
    if not overrides:
        raise BadInput("holds no study", where="series", fix="Restore series.yaml")
    return {name: _member(settings, name, fields) for name, fields in overrides.items()}


def _member(settings: StudySettings, name: str, fields: Mapping[str, object]) -> StudySettings:
    where = f"series.{name}"
    if not LEGAL.fullmatch(name) or name in TAKEN:
        raise BadInput(
            f"studies are named by letters, digits, `-` and `_`, and not {' or '.join(TAKEN)}; got {name!r}",
            where="series",
            fix="Rename it",
        )
    content = settings.model_dump(mode="json", exclude={"series", "experiment", "map"})
    for key, value in fields.items():
        set_field(content, key, value)
    member = validate_settings(content, where)
    if is_series(member) or member.map is not None:
        raise BadInput("a study of a series cannot be a series", where=where, fix="Take that field out")
    return member


def run_series(settings: StudySettings, root: Path, progress: Progress, accept: Collection[str] = ()) -> None:
    """Run every study of a series, or what is left of it, and write what they come to together.

    Raises:
        BadInput: As `members` and `prepare`, or the directory holds something else.
    """
    studies, root = members(settings), root.resolve()
    with stages.alone(root):
        with leaving_nothing(root):
            prepared = _prepare(settings, studies, root, progress, accept)
        left = {name: study for name, study in prepared.items() if not _is_finished(study)}
        # One Ray for all of them, and none where every search is over.
        with start_ray(settings.resources.address) if left else nullcontext():
            for name, study in left.items():
                progress.note(f"{name}: study {list(studies).index(name) + 1} of {len(studies)}")
                with occupied(root / name):
                    stages.all_stages(study, progress)
        write_series(root)


def _prepare(
    settings: StudySettings,
    studies: Mapping[str, StudySettings],
    root: Path,
    progress: Progress,
    accept: Collection[str],
) -> dict[str, Prepared]:
    """All studies prepared, so that what does not fit is known before the first is trained."""
    check_record(settings, root, known=studies)
    if not StudyDirectory(root).series.exists():
        _check_all(studies)
    prepared: dict[str, Prepared] = {}
    for name, study in studies.items():
        _lend_arrays(study, root / name, prepared, studies)
        with occupied(root / name):
            study = _as_extended(_alike(study, prepared.values()), root / name)
            prepared[name] = prepare(study, root / name, progress, accept)
    write_yaml(StudyDirectory(root).series, settings.model_dump(mode="json"))
    return prepared


def _check_all(studies: Mapping[str, StudySettings]) -> None:
    """See that every study fits its cohort before a voxel of any is read; phantoms have yet to be made."""
    read: dict[CohortSettings, Listing] = {}
    for name, study in studies.items():
        try:
            read_spaces(study)
            if study.cohort.path is not None:
                if study.cohort not in read:
                    read[study.cohort] = listing(settings_cohort(study))
                check_division(study, read[study.cohort])
        except BadInput as error:
            raise BadInput(error.what, where=f"series.{name}: {error.where}", fix=error.fix) from error


def _lend_arrays(
    study: StudySettings, folder: Path, prepared: Mapping[str, Prepared], studies: Mapping[str, StudySettings]
) -> None:
    """Link the arrays of an earlier study that reads the same scans the same way; linked, not copied.

    Their fingerprint is checked like that of any arrays found: those of other scans are built anew.
    """
    target = StudyDirectory(folder).cohort
    for name, earlier in prepared.items():
        if target.exists() or _scans_of(studies[name]) != _scans_of(study):
            continue
        # Another file system, or one without links: the arrays are then built again.
        with suppress(OSError):
            target.mkdir(parents=True)
            for file in sorted(earlier.directory.cohort.iterdir()):
                os.link(file, target / file.name)


def _scans_of(study: StudySettings) -> tuple[object, ...]:
    own = None if study.cohort.path else (study.phantom, study.seed)
    return study.cohort, own, effective_preprocessing(study)


def _alike(study: StudySettings, prepared: Collection[Prepared]) -> StudySettings:
    """The study in the precision that was measured for an earlier one of the same grid: once is enough."""
    if study.precision == "auto":
        for earlier in prepared:
            if earlier.settings.preprocessing.shape == study.preprocessing.shape:
                return study.model_copy(update={"precision": earlier.settings.precision})
    return study


def _as_extended(study: StudySettings, folder: Path) -> StudySettings:
    """The study with the trials that `setsum extend` has given it by itself."""
    if not StudyDirectory(folder).settings.is_file():
        return study
    trials = max(study.budget.trials, read_written(StudyDirectory(folder)).budget.trials)
    return study.model_copy(update={"budget": study.budget.model_copy(update={"trials": trials})})


def _is_finished(study: Prepared) -> bool:
    return is_searched(study) and tested(study) and study.directory.report.exists()
