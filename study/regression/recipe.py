"""A recipe: one configuration with all it takes to train it again, as an export's `config.yaml` holds it."""

import json
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from study.badinput import BadInput
from study.cohort.preprocess import Preprocessing
from study.plainyaml import read_yaml
from study.regression.config import BASE, TrialConfig


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
    refit: bool = False
    """Train one network a seed on all scans, in place of one a fold: none is left to score it on."""
    stratify: bool = True
    """Whether folds are stratified by label quantile and site."""
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(default=(0,), min_length=1)
    """A model is trained with each; folds, weights, order and augmentation derive from it."""
    view_seed: int = Field(default=0, ge=0)
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

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        length, budget = self.length, self.config.presentations
        if length is not None and length > budget:
            raise ValueError(f"`length` <= `config.presentations` must hold, got {length} > {budget}")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("each of `seeds` is named once")
        return self


def read_recipe(path: Path, regressor: str | None = None) -> Recipe:
    """Read a recipe file.

    Args:
        path: The file.
        regressor: What stands in for the user's own regressor that it names, `FILE.py:NAME` or `MODULE:NAME`.
            To build one is to run its code, and a recipe may come from anywhere: without this it is refused.

    Raises:
        BadInput: It cannot be read, a field is unknown or out of its range, or it names a regressor that
            the caller does not.
    """
    recipe = _read(path)
    named = recipe.config.regressor
    if named == BASE:
        if regressor is not None:
            raise BadInput("its network is the base regressor", where=str(path), fix="Leave --regressor out")
        return recipe
    if regressor is None:
        raise BadInput(
            f"its network is `{named}`, and to build it is to run that code",
            where=str(path),
            fix="If you trust it, say where it is here: --regressor FILE.py:NAME or MODULE:NAME",
        )
    return _with_regressor(recipe, regressor)


def _with_regressor(recipe: Recipe, regressor: str) -> Recipe:
    try:
        config = TrialConfig.model_validate({**recipe.config.model_dump(), "regressor": regressor})
    except ValidationError as error:
        raise BadInput(
            f"a regressor is FILE.py:NAME or MODULE:NAME, got {regressor!r}", where="--regressor"
        ) from error
    return recipe.model_copy(update={"config": config})


def _read(path: Path) -> Recipe:
    content = read_yaml(path)
    try:
        return Recipe.model_validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        # What does not fit together is said in whole words, of which the input is no part.
        own = first["type"] == "value_error"
        what = (
            first["msg"].removeprefix("Value error, ") if own else f"{first['msg']}, got {first['input']!r}"
        )
        raise BadInput(
            f"`{field}`: {what}" if field else what,
            where=str(path),
            fix="An export's config.yaml is a complete example",
        ) from error
