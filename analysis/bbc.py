"""The bootstrap bias-corrected score of a search (BBC-CV; Tsamardinos, Greasidou and Borboudakis 2018).

Of many configurations scored on the same scans, the best owes part of its score to those scans.
BBC-CV repeats the choice without training anything: on a bootstrap resample of the scans the best
configuration is chosen by its out-of-fold errors, and scored on the scans that the resample left
out. The mean over resamples is the score to expect of what the search chooses.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.resampling import draw_resamples

RESAMPLES = 1000


class Corrected(NamedTuple):
    """The corrected score and the middle 95% of the resamples' out-of-bag scores."""

    score: float
    low: float
    high: float


def bias_corrected(
    errors_CM: NDArray[np.float64], generator: np.random.Generator, resamples: int = RESAMPLES
) -> Corrected:
    """The score, squared or absolute error, to expect of the configuration that a search chooses.

    Args:
        errors_CM: Out-of-fold error of each configuration on each scan, (C, M), no NaN.
        generator: Draws the resamples.
        resamples: Of the scans.

    Returns:
        NaN where there are fewer than two scans or no configuration. It corrects the choice among the
        configurations given; a choice made before them (each one's length) is taken as it is.
    """
    configurations, scans = errors_CM.shape
    if configurations == 0 or scans < 2:
        return Corrected(float("nan"), float("nan"), float("nan"))
    scores = np.concatenate(
        [_out_of_bag(errors_CM, drawn_BM) for drawn_BM in draw_resamples(scans, resamples, generator)]
    )
    scores = scores[np.isfinite(scores)]
    low, high = np.quantile(scores, [0.025, 0.975])
    return Corrected(float(scores.mean()), float(low), float(high))


def _out_of_bag(errors_CM: NDArray[np.float64], drawn_BM: NDArray[np.intp]) -> NDArray[np.float64]:
    """Score (B,) on the scans that each resample left out; NaN where it left out none."""
    resamples, scans = drawn_BM.shape
    counts_BM = np.zeros((resamples, scans))
    np.add.at(counts_BM, (np.arange(resamples)[:, None], drawn_BM), 1)
    winner_B = (errors_CM @ counts_BM.T).argmin(axis=0)
    left_BM = counts_BM == 0
    with np.errstate(invalid="ignore"):
        score_B: NDArray[np.float64] = (errors_CM[winner_B] * left_BM).sum(axis=1) / left_BM.sum(axis=1)
    return score_B
