"""A recipe: one configuration with all it takes to train it again, as an export's `config.yaml` holds it."""

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from study.badinput import BadInput
from study.cohort.preprocess import Preprocessing
from study.plainyaml import read_yaml
from study.regression.config import TrialConfig


class Recipe(BaseModel):
    """What `setsum train` reads and an export writes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    config: TrialConfig
    length: int | None = Field(default=None, ge=1)
    """Presentations to train for, on the schedule of `config.presentations`; None trains the whole budget."""
    preprocessing: Preprocessing
    folds: int = Field(default=3, ge=2)
    repeats: int = Field(default=1, ge=1)
    holdout: int | None = Field(default=None, ge=2)
    """Fixed validation scans instead of folds (the paper's protocol)."""
    stratify: bool = True
    """Whether folds are stratified by label quantile and site."""
    seeds: tuple[int, ...] = (0,)
    """A model is trained with each; folds, weights, order and augmentation derive from it."""
    view_seed: int = 0
    unit: str = "label"
    """What one unit of a prediction means."""
    label: Literal["auto", "voxels", "mm3", "components"] = "auto"
    """How labels are counted, as in a study file's `cohort`; so are the next two."""
    label_column: str = "label"
    suffix: str = "FLAIR"
    threads: int | None = Field(default=None, ge=1)
    """CPU threads that it was trained with, which decide the last bits; None takes all cores."""
    scans: tuple[str, ...] = ()
    """Ids of the scans it was trained on; a cohort that holds them is trained on these alone."""


def read_recipe(path: Path) -> Recipe:
    """Read a recipe file.

    Raises:
        BadInput: It cannot be read, or a field is unknown or out of its range.
    """
    content = read_yaml(path)
    try:
        return Recipe.model_validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise BadInput(
            f"`{field}`: {first['msg']}, got {first['input']!r}",
            where=str(path),
            fix="An export's config.yaml is a complete example",
        ) from error
