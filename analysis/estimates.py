"""ICC and MSE of arms, or of differences between arms, with all that an interval is made from."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.bootstrap import Estimate, Strata
from analysis.influence import icc_influences, mse_influences, standard_errors
from analysis.moments import Terms, block_scores, drawn_counts, left_out
from analysis.resampling import strata_positions
from study.agreement import Floats, Form, icc, mse


class Scores(NamedTuple):
    """Of one arm, or of a weighted sum of arms."""

    icc: Estimate
    mse: Estimate


def estimates(
    arms_AM: Floats,
    labels_M: Floats,
    blocks: Iterable[NDArray[np.intp]],
    sums_CA: Sequence[Sequence[float]],
    form: Form,
    strata: Strata = None,
    unit_M: NDArray[np.intp] | None = None,
) -> list[Scores]:
    """Scores of weighted sums of arms, such as (1,) for an arm and (1, -1) for a difference.

    Args:
        arms_AM: Predictions (arms, scans).
        blocks: Positions of the units drawn, (resamples, units) each; see `draw_resamples`.
        sums_CA: The arms' weights in each sum.
        strata: One stratum a unit, if the resamples were drawn within them.
        unit_M: The unit of each scan, see `units_of`; None where each scan is one.
    """
    terms = [Terms(arm_M, labels_M, unit_M) for arm_M in arms_AM]
    units = terms[0].sizes_U.size
    positions = strata_positions(units, strata)
    values, errors = [], []
    for block_RU in blocks:
        counts_RU = drawn_counts(block_RU, units)
        values.append(np.stack(block_scores(terms, counts_RU, form)))
        errors.append(_errors(terms, counts_RU, sums_CA, form, positions))
    values_2AR, errors_2CR = np.concatenate(values, axis=2), np.concatenate(errors, axis=2)
    sample_2A = np.stack([icc(arms_AM, labels_M, form), mse(arms_AM, labels_M)])
    without_2AU = np.stack(left_out(terms, form))
    error_2C1 = _errors(terms, np.ones((1, units)), sums_CA, form, positions)
    return [
        Scores(
            *(
                Estimate(
                    value=float(_sum(weights_A, sample_2A[score])),
                    error=float(error_2C1[score, c, 0]),
                    left_out=_sum(weights_A, without_2AU[score]),
                    values=_sum(weights_A, values_2AR[score]),
                    errors=errors_2CR[score, c],
                )
                for score in range(2)
            )
        )
        for c, weights_A in enumerate(sums_CA)
    ]


def _errors(
    terms: Sequence[Terms],
    counts_RU: Floats,
    sums_CA: Sequence[Sequence[float]],
    form: Form,
    positions: Sequence[NDArray[np.intp]],
) -> Floats:
    """Standard errors of ICC and MSE, (2, sums, resamples)."""
    by_score = (
        [icc_influences(arm, counts_RU, form) for arm in terms],
        [mse_influences(arm, counts_RU) for arm in terms],
    )
    return np.stack(
        [
            [
                standard_errors(_sum(weights, by_arm), counts_RU, positions, terms[0].sizes_U)
                for weights in sums_CA
            ]
            for by_arm in by_score
        ]
    )


def _sum(weights_A: Sequence[float], values_A: Sequence[Floats] | Floats) -> Floats:
    # An arm without weight must not spoil the sum where it has no value.
    parts = [weight * values for weight, values in zip(weights_A, values_A, strict=True) if weight]
    return np.asarray(sum(parts[1:], start=parts[0]))
