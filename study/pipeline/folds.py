"""Folds as a validation protocol asks for them: redrawn k folds, or one fixed holdout."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from study.cohort.arrays import CohortArrays
from study.cohort.split import Fold, holdout_fold, make_folds


def draw_folds(
    arrays: CohortArrays,
    rows: Sequence[int] | NDArray[np.int64],
    *,
    folds: int,
    repeats: int,
    holdout: int | None,
    stratify: bool,
    seed: int,
    study_seed: int,
) -> tuple[Fold, ...]:
    """Folds within some scans of a cohort.

    Args:
        arrays: The cohort.
        rows: Positions of the development scans.
        folds: Number of folds.
        repeats: Times the folds are drawn.
        holdout: Fixed validation scans instead of folds: the same whatever `seed` (the paper's protocol).
        stratify: By label quantile and site.
        seed: Draws the folds.
        study_seed: Draws the holdout.
    """
    labels = arrays.labels[np.asarray(rows)]
    sites = [arrays.sites[row] for row in rows]
    groups = [arrays.groups[row] for row in rows]
    if holdout is not None:
        return holdout_fold(labels, sites, groups, validation=holdout, seed=study_seed)
    return make_folds(labels, sites, groups, folds=folds, repeats=repeats, stratify=stratify, seed=seed)
