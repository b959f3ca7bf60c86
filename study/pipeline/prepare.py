"""The prepare stage: phantom, cohort arrays, split and provenance made once, or read back and checked."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from study.badinput import BadInput
from study.cohort.arrays import CohortArrays, build_arrays, open_arrays
from study.cohort.phantom import write_phantom
from study.cohort.preprocess import Preprocessing
from study.cohort.scans import Cohort, read_cohort
from study.pipeline.division import Listing, draw_split, listing, positions, study_folds
from study.pipeline.lock import CLAIM, LOCK
from study.pipeline.own_regressor import check_regressor, regressor_of
from study.pipeline.packed import with_packing
from study.pipeline.prepared import Prepared, checked_spaces, read_spaces
from study.pipeline.progress import Progress
from study.pipeline.provenance import provenance
from study.pipeline.record_of_series import refuse_series
from study.pipeline.refusal import leaving_nothing
from study.pipeline.unchanged import check_question, check_split
from study.plainyaml import read_yaml
from study.record import PART, StudyDirectory, read_json, remove_parts, write_json, write_yaml
from study.regression.config import BASE
from study.regression.precision import fastest_precision
from study.settings import StudySettings, validate_settings
from study.sweep.place import check_place
from study.sweep.trackers import check_trackers

BEGUN = ("phantom", "cohort", "split.json", "provenance.json", LOCK, CLAIM)
"""What a study that was killed before its study file was written may hold."""

MEASURED_SCANS = 4
"""Of the step by which precisions are compared."""


def prepare(
    settings: StudySettings, root: Path, progress: Progress, accept: Collection[str] = ()
) -> Prepared:
    """Make the study directory: cohort arrays, split, provenance, and the resolved study file last.

    A directory that already holds the same study is continued; `accept` is then as for `open_study`.

    Raises:
        BadInput: The directory holds another study, or cohort and settings do not fit together.
    """
    directory = StudyDirectory(root.resolve())
    if directory.settings.exists():
        _refuse_other(directory, settings)
        return open_study(root, progress, accept)
    with leaving_nothing(directory.root):
        return _begin(settings, directory, progress)


def _begin(settings: StudySettings, directory: StudyDirectory, progress: Progress) -> Prepared:
    """A new study; cohort and settings are found to fit before any voxel is read."""
    if directory.root.exists() and any(
        entry.name not in BEGUN and not entry.name.endswith(PART) for entry in directory.root.iterdir()
    ):
        raise BadInput(
            "the output folder is not empty and holds no study",
            where=str(directory.root),
            fix="Choose another with --out",
        )
    check_regressor(settings, read_spaces(settings))
    check_trackers(settings.tracking)
    if settings.resources.storage is not None:
        check_place(settings.resources.storage)
    remove_parts(directory.root)
    settings = _with_phantom(settings, directory, progress)
    check_division(settings, listing(settings_cohort(settings)))
    arrays = _arrays(settings, directory, progress)
    settings = _with_precision(settings, arrays)
    _tell(settings, arrays, progress)
    prepared, packing = with_packing(_drawn(settings, directory, arrays), progress)
    write_json(directory.split, _split_content(prepared))
    write_json(directory.provenance, {**provenance(prepared), **packing})
    write_yaml(directory.settings, prepared.settings.model_dump(mode="json"))
    return prepared


def open_study(root: Path, progress: Progress, accept: Collection[str] = ()) -> Prepared:
    """Read a study directory back; rebuilds the cohort arrays if they are gone.

    Args:
        root: The study directory.
        progress: Told of the rebuilding.
        accept: Changes to go on with, recorded in provenance.json: `code`.

    Raises:
        BadInput: There is no study, or it is not the one that began: its cohort, split, search
            spaces or code have changed.
    """
    directory = StudyDirectory(root.resolve())
    refuse_series(root)
    if not directory.settings.is_file():
        raise BadInput(
            "no study here (study.yaml is missing)",
            where=str(root),
            fix="Start one: setsum run STUDY.yaml --out DIR",
        )
    remove_parts(directory.root)
    settings = read_written(directory)
    check_split(directory)
    arrays = _arrays(settings, directory, progress, str(read_json(directory.provenance).get("fingerprint")))
    split = read_json(directory.split)
    prepared = _positioned(settings, directory, arrays, split["development"], split["test"])
    check_question(prepared, accept)
    return prepared


def read_written(directory: StudyDirectory) -> StudySettings:
    """The settings of a study directory.

    Raises:
        BadInput: Its study file is damaged.
    """
    return validate_settings(_written(directory), str(directory.settings))


def _written(directory: StudyDirectory) -> dict[str, Any]:
    """The study file of a study directory, which somebody may have edited."""
    content = read_yaml(directory.settings)
    if not isinstance(content, dict):
        raise BadInput("is damaged", where=str(directory.settings), fix="Restore it")
    return content


def _refuse_other(directory: StudyDirectory, settings: StudySettings) -> None:
    old = _written(directory)
    new = settings.model_dump(mode="json")
    path = directory.root / "phantom" if settings.cohort.path is None else settings.cohort.path
    new["cohort"]["path"] = str(path.resolve())
    if settings.precision == "auto":
        new["precision"] = old.get("precision")
    if settings.resources.gpus_per_trial == "auto":
        new["resources"]["gpus_per_trial"] = old.get("resources", {}).get("gpus_per_trial")
    changed = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
    if changed:
        raise BadInput(
            f"the folder holds a study with other settings ({', '.join(changed)})",
            where=str(directory.root),
            fix="Continue it with `setsum resume`, or choose another folder with --out",
        )


def _with_phantom(settings: StudySettings, directory: StudyDirectory, progress: Progress) -> StudySettings:
    """Settings whose cohort has a path: the phantom's, made here, where none was given."""
    if settings.cohort.path is not None:
        path = settings.cohort.path.resolve()
    else:
        path, phantom = directory.root / "phantom", settings.phantom
        with progress.stage("phantom", phantom.scans) as update:
            write_phantom(
                path,
                kind=phantom.kind,
                scans=phantom.scans,
                shape=phantom.shape,
                seed=settings.seed,
                rater_noise=phantom.rater_noise,
                progress=lambda done, total: update(done),
            )
    return settings.model_copy(update={"cohort": settings.cohort.model_copy(update={"path": path})})


def settings_cohort(settings: StudySettings) -> Cohort:
    """The scans of a study whose cohort has a path.

    Raises:
        BadInput: They cannot be read.
    """
    source = settings.cohort
    assert source.path is not None
    return read_cohort(
        source.path,
        source.layout,
        label=source.label,
        label_column=source.label_column,
        suffix=source.suffix,
    )


def check_division(settings: StudySettings, cohort: Listing) -> None:
    """See that cohort, split, folds and search spaces fit together.

    Raises:
        BadInput: They do not.
    """
    development, _ = draw_split(settings, cohort)
    folds = study_folds(settings, cohort, positions(cohort, development), settings.seed)
    checked_spaces(settings, folds)


def _arrays(
    settings: StudySettings, directory: StudyDirectory, progress: Progress, expected: str | None = None
) -> CohortArrays:
    """The preprocessed cohort, built once and reused while it fits."""
    assert settings.cohort.path is not None
    if not settings.cohort.path.exists() and directory.cohort.exists():
        return open_arrays(directory.cohort)
    cohort = settings_cohort(settings)
    spec = effective_preprocessing(settings)
    with progress.stage("cohort", len(cohort.scans)) as update:
        return build_arrays(
            cohort,
            spec,
            directory.cohort,
            expected=expected,
            progress=lambda done, total: update(done),
        )


def effective_preprocessing(settings: StudySettings) -> Preprocessing:
    """What is done to scans: as the study says, but for the paper's intensities under its protocol."""
    if settings.validation.protocol == "paper":
        return settings.preprocessing.model_copy(update={"intensities": "unit"})
    return settings.preprocessing


def _tell(settings: StudySettings, arrays: CohortArrays, progress: Progress) -> None:
    """What a user should know before the search begins."""
    lost_M = arrays.lesion_share_lost
    if np.isfinite(lost_M).any():
        worst = int(np.nanargmax(lost_M))
        progress.note(
            f"lesion voxels outside the crop: {np.nanmean(lost_M):.1%} on average, "
            f"{lost_M[worst]:.1%} at most ({arrays.ids[worst]})"
        )
    if settings.validation.protocol == "paper":
        progress.note(
            f"warning: {settings.validation.scans} validation scans tell configurations apart poorly (an ICC "
            "of 0.8 measured on 6 scans scatters by about 0.3); folds use every scan: protocol: kfold"
        )


def _with_precision(settings: StudySettings, arrays: CohortArrays) -> StudySettings:
    if settings.precision != "auto":
        return settings
    if regressor_of(settings) != BASE:
        return settings.model_copy(update={"precision": "float32"})
    device = training_device(settings)
    if device == "cuda" and not torch.cuda.is_available():
        # Trials have GPUs of a cluster, and this process none to measure on.
        return settings.model_copy(update={"precision": "float32"})
    fastest = fastest_precision(arrays.images_MDHW.shape[1:], MEASURED_SCANS, device)
    return settings.model_copy(update={"precision": fastest})


def training_device(settings: StudySettings) -> str:
    """`cuda` where trials will have a GPU, or a share of one."""
    wanted = settings.resources.gpus_per_trial
    return "cuda" if wanted and (wanted != "auto" or torch.cuda.is_available()) else "cpu"


def _drawn(settings: StudySettings, directory: StudyDirectory, arrays: CohortArrays) -> Prepared:
    """The study with its split, drawn from the study's seed."""
    return _positioned(settings, directory, arrays, *draw_split(settings, arrays))


def _positioned(
    settings: StudySettings,
    directory: StudyDirectory,
    arrays: CohortArrays,
    development: Sequence[str],
    test: Sequence[str],
) -> Prepared:
    rows = [positions(arrays, names) for names in (development, test)]
    return Prepared(directory, settings, arrays, *rows)


def _split_content(prepared: Prepared) -> dict[str, Any]:
    ids = prepared.arrays.ids
    development = [ids[position] for position in prepared.development]
    return {
        "format": 1,
        "development": development,
        "test": [ids[position] for position in prepared.test],
        "folds": [
            {
                "repeat": fold.repeat,
                "index": fold.index,
                "held_out": [development[position] for position in fold.held_out],
            }
            for fold in prepared.folds
        ],
    }
