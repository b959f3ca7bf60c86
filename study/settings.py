"""The study file: what a user asks for, typed and checked once, where it enters.

A study file is YAML; `KEY=VALUE` overrides replace single fields (`budget.trials=8`). The resolved
settings are written into the study directory and every stage reads them from there. A file with
`series` or `validation.outer_folds` asks for several studies: see `study.pipeline.series`.
"""

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from study.badinput import BadInput
from study.builtin import builtin_names
from study.cohort.preprocess import Preprocessing
from study.fields import anchor, fields_of, has_cohort, parsed, set_field
from study.password import has_password
from study.plainyaml import parse_yaml, read_yaml
from study.record import FORMAT

Seed = Annotated[int, Field(ge=0, lt=2**31)]
Shape = tuple[
    Annotated[int, Field(ge=4, le=1024)],
    Annotated[int, Field(ge=4, le=1024)],
    Annotated[int, Field(ge=4, le=1024)],
]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CohortSettings(_Section):
    """Where the scans are. Without a path the built-in phantom cohort is made."""

    path: Path | None = None
    layout: Literal["auto", "wmh", "manifest", "bids"] = "auto"
    label: Literal["auto", "voxels", "mm3", "components"] = "auto"
    label_column: str = "label"
    suffix: str = "FLAIR"


class PhantomSettings(_Section):
    """The built-in cohort, used when `cohort.path` is not given."""

    kind: Literal["wmh", "pvs"] = "wmh"
    scans: int = Field(default=120, ge=2)
    shape: Shape = (14, 14, 14)
    rater_noise: float = Field(default=0.0, ge=0)


class SplitSettings(_Section):
    """Test scans: a number, a share, or a file of ids; they reach nothing before `test`."""

    test: Annotated[int, Field(ge=2)] | Annotated[float, Field(gt=0, lt=1)] | Path = 0.5
    stratify: bool = True
    development: Annotated[int, Field(ge=4)] | None = None
    """Keep only this many development scans, their labels pseudo-uniform (the paper's learning curve)."""
    outer_fold: int | None = Field(default=None, ge=1)
    """Which of `validation.outer_folds` is tested, instead of `test`; a nested cross-validation sets it."""


class ValidationSettings(_Section):
    """How a trial is scored: stratified folds, or the paper's 5 or 6 fixed validation scans."""

    protocol: Literal["kfold", "paper"] = "kfold"
    folds: int = Field(default=3, ge=2)
    repeats: int = Field(default=1, ge=1)
    scans: int = Field(default=6, ge=2)
    """Validation scans of `protocol: paper`."""
    outer_folds: Annotated[int, Field(ge=2)] | None = None
    """Nested cross-validation: so many folds of the cohort take turns as test scans, a study each."""


class BudgetSettings(_Section):
    """What every arm gets alike."""

    trials: int = Field(default=6, ge=2)
    hours: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Wall-clock hours an arm instead of a number of trials: `trials` then counts for nothing."""
    presentations: int = Field(default=4000, ge=1)
    """Real scans passed through each network of a trial."""


class SearchSettings(_Section):
    """How configurations are proposed and stopped."""

    sampler: Literal["tpe", "random", "qmc", "paper"] = "tpe"
    """`paper` searches nothing: one trial an arm, with the paper's values (defaults where it has none)."""
    scheduler: Literal["fifo", "asha"] = "fifo"
    storage: str | None = None
    """Database URL of the search, its password as `${NAME}`; a journal in the study directory by default."""
    failures: float = Field(default=0.5, ge=0, le=1)
    """Share of an arm's trials that may fail before its search is stopped."""


class ConfirmSettings(_Section):
    """Re-training an arm's leading configurations with fresh seeds and redrawn folds."""

    top: int = Field(default=2, ge=1)
    seeds: int = Field(default=2, ge=1)


class ResourceSettings(_Section):
    """What one trial occupies, and the cluster it runs on."""

    address: str | None = None
    storage: str | None = None
    """Folder or URI (`s3://bucket/prefix`) that all nodes reach, for the trials' checkpoints; the study
    directory by default."""
    cpus_per_trial: float = Field(default=1, gt=0)
    gpus_per_trial: Annotated[float, Field(ge=0)] | Literal["auto"] = 0.0
    """`auto` measures one trial on a GPU, then lets as many share it as pays; 0 where there is none."""
    patience_minutes: float = Field(default=120, gt=0)
    """A trial that reports nothing for so long counts as hung: ended, tried again, then given up."""

    @property
    def threads(self) -> int:
        """CPU threads that one trial computes with."""
        return max(1, int(self.cpus_per_trial))

    @property
    def gpus(self) -> float:
        """`gpus_per_trial`, resolved, as it is in a study directory."""
        assert self.gpus_per_trial != "auto"
        return self.gpus_per_trial


class MapSettings(_Section):
    """Where does an arm pay? Phantom cohorts instead of a study: see `study.pipeline.paying`."""

    scans: Annotated[tuple[Annotated[int, Field(ge=4)], ...], Field(min_length=1)]
    """Training scans."""
    rater_noise: Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=1)]
    """SDs of the label by which raters err on training scans; test scans are scored against the truth."""
    presentations: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]
    """Training lengths, multiples of a common number."""
    cohorts: int = Field(default=5, ge=2)
    """Cohorts a cell, the intervals' units; their seeds count up from the study's."""
    test: int = Field(default=100, ge=10)
    """Test scans of each cohort."""


class StudySettings(_Section):
    """A whole study."""

    format: Literal[1] = 1
    seed: Seed = 0
    arms: Annotated[tuple[str, ...], Field(min_length=1)] = ("base", "dropout", "set_sum")
    cohort: CohortSettings = CohortSettings()
    phantom: PhantomSettings = PhantomSettings()
    preprocessing: Preprocessing = Preprocessing(shape=(10, 10, 10))
    split: SplitSettings = SplitSettings()
    validation: ValidationSettings = ValidationSettings()
    budget: BudgetSettings = BudgetSettings()
    training: dict[str, Any] = {}
    """Configuration fields fixed for every arm, e.g. views, reports, loss, regressor."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    search: SearchSettings = SearchSettings()
    confirm: ConfirmSettings = ConfirmSettings()
    resources: ResourceSettings = ResourceSettings()
    tracking: tuple[Literal["tensorboard", "mlflow", "wandb"], ...] = ("tensorboard",)
    """Where a search can be followed and looked at; files go into `tracking/` of the study directory."""
    series: Annotated[dict[str, dict[str, Any]], Field(min_length=1)] | None = None
    """Studies to be run side by side: by name, the fields (`budget.trials`) that differ from this file's."""
    map: MapSettings | None = None
    experiment: Literal["table1", "figure3", "set_size", "dropout_little_data"] | None = None
    """The paper's experiment that a series repeats: its findings then take the paper's shape."""


def builtin_text(name: str) -> str:
    """A commented study file that comes with the package.

    Raises:
        BadInput: There is none of that name.
    """
    if name not in builtin_names():
        raise BadInput(
            f"there is no built-in study `{name}`", fix=f"Choose one of {', '.join(builtin_names())}"
        )
    return (resources.files("study") / "templates" / f"{name}.yaml").read_text()


def read_settings(source: Path | None, overrides: Sequence[str] = ()) -> StudySettings:
    """A study file (the built-in quick study when None) with `KEY=VALUE` overrides, checked.

    Relative paths in the file are resolved against its folder, those in overrides against the
    working directory.

    Raises:
        BadInput: The file cannot be read, or a field is unknown or out of its range.
    """
    name = "quick study" if source is None else str(source)
    content = parse_yaml(builtin_text("quick"), name) if source is None else _read(source)
    folder = None if source is None else source.resolve().parent
    return settings_of(content, name, folder, [parsed(override) for override in overrides])


def settings_of(
    content: object, name: str, folder: Path | None, overridden: Sequence[tuple[str, object]] = ()
) -> StudySettings:
    """A study file's plain content with dotted fields that override it, checked.

    Args:
        content: Plain data; changed in place.
        name: Says in errors where it came from.
        folder: What its relative paths are relative to; None leaves them. Those of overrides are
            relative to the working directory.
        overridden: Keys (`budget.trials`) and values.

    Raises:
        BadInput: A field is unknown or out of its range.
    """
    if not isinstance(content, dict):
        raise BadInput("a study file is a mapping of fields", where=name, fix="Start from: setsum init")
    if content.get("format") != FORMAT:
        raise BadInput(
            f"`format: {FORMAT}` must come first, got format {content.get('format')!r}",
            where=name,
            fix="Start from a fresh file: setsum init > study.yaml",
        )
    if folder is not None:
        anchor(content, folder)
    without_cohort = content.pop("without_cohort", None)
    if without_cohort and not has_cohort(content, overridden):
        overridden = [*fields_of(without_cohort, f"{name}: without_cohort"), *overridden]
    for key, value in overridden:
        set_field(content, key, value)
    anchor(content, Path.cwd())
    return validate_settings(content, name)


def validate_settings(content: Mapping[str, Any], name: str) -> StudySettings:
    """Typed settings from plain data; `name` says in errors where they came from."""
    try:
        # As JSON, where strict means what a reader of YAML expects: `trials: true`, `trials: "8"` are wrong.
        settings = StudySettings.model_validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(
            str(part) for part in first["loc"] if not str(part).startswith(("constrained", "function"))
        )
        raise BadInput(
            f"`{field}`: {first['msg']}, got {first['input']!r}",
            where=name,
            fix="setsum init shows every field with its meaning",
        ) from error
    if has_password(settings.resources.storage or ""):
        raise BadInput(
            "`resources.storage` holds a key, and study files are copied and shown",
            where=name,
            fix="Take it out; AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are read from the environment",
        )
    wanted = settings.search.storage
    if wanted is not None and "://" not in wanted and "${" not in wanted:
        raise BadInput(
            f"`search.storage` is the URL of a database, got {wanted!r}",
            where=name,
            fix="Leave it out: the search is then kept in the study directory",
        )
    if has_password(settings.search.storage or ""):
        raise BadInput(
            "`search.storage` holds a password, and study files are copied and shown",
            where=name,
            fix="Write ${NAME} in its place, and set the environment variable NAME to it",
        )
    return settings


def _read(path: Path) -> object:
    try:
        return read_yaml(path)
    except BadInput as error:
        fix = "Start from a fresh file: setsum init > study.yaml"
        raise BadInput(error.what, where=error.where, fix=fix) from error
