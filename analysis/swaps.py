"""The swap permutation test of thousands of studies at once, from sums over scans.

The ICC of an arm with the labels needs three sums that change when two arms swap on a scan: of its
predictions, their squares and their products with the labels. Over swaps these are matrix products.
"""

import numpy as np

from study.agreement import Floats

SWAPS = 399
"""Permutations: 20 of 400, the observed assignment among them, are 5% exactly."""


def draw_swaps(scans: int, generator: np.random.Generator) -> Floats:
    """Fair coins (scans, SWAPS): 1 where two arms stay and 0 where they swap."""
    return generator.integers(0, 2, (scans, SWAPS)).astype(np.float64)


def swap_p(first_RM: Floats, second_RM: Floats, labels_RM: Floats, swaps_MP: Floats) -> Floats:
    """Two-sided p (studies,) of the ICC difference; the observed assignment counts as one permutation.

    Args:
        first_RM, second_RM, labels_RM: (studies, scans), predictions of two arms and labels.
        swaps_MP: See `draw_swaps`; shared by the studies, random for each of them.
    """
    centre = labels_RM.mean(axis=1, keepdims=True)
    x, y, labels = first_RM - centre, second_RM - centre, labels_RM - centre
    spread_R1 = (labels**2).sum(axis=1, keepdims=True)
    # Of each arm: the sums of its predictions, their squares and products with the labels.
    terms = [(x, y), (x**2, y**2), (x * labels, y * labels)]
    m = labels.shape[1]
    observed, gaps = (
        _gap([_both(*pair, swaps) for pair in terms], spread_R1, m) for swaps in (None, swaps_MP)
    )
    # Equal up to rounding counts as equal, as in `swap_permutation`.
    extreme = np.abs(gaps) >= np.abs(observed) * (1 - 1e-9)
    p: Floats = (1 + extreme.sum(axis=1)) / (1 + gaps.shape[1])
    return p


def _both(x_RM: Floats, y_RM: Floats, swaps_MP: Floats | None) -> tuple[Floats, Floats]:
    """Sums (studies, permutations) over the scans of what is first and what is second after swapping."""
    total_x, total_y = x_RM.sum(axis=1, keepdims=True), y_RM.sum(axis=1, keepdims=True)
    if swaps_MP is None:
        return total_x, total_y
    moved = (x_RM - y_RM) @ swaps_MP
    return total_y + moved, total_x - moved


def _gap(sums: list[tuple[Floats, Floats]], spread: Floats, m: int) -> Floats:
    totals, squares, products = sums
    first, second = (_icc(totals[arm], squares[arm], products[arm], spread, m) for arm in (0, 1))
    return first - second


def _icc(total: Floats, squares: Floats, products: Floats, spread: Floats, m: int) -> Floats:
    """ICC(A,1) with labels of mean zero and sum of squares `spread`, from an arm's sums over m scans."""
    varying = squares - total**2 / m
    error = (varying - 2 * products + spread) / (2 * (m - 1))
    raters = total**2 / (2 * m)
    value: Floats = 2 * products / ((varying + spread) + 2 * (m - 1) / m * (raters - error))
    return value
