"""Drawing the virtual samples of an epoch: sets of n slots, some of them blank (paper, section 2.1)."""

import numpy as np
from numpy.typing import NDArray

from study.badinput import BadInput

BLANK = -1


def draw_sets(
    m: int, n: int, p: float, replacement: bool, generator: np.random.Generator
) -> NDArray[np.int64]:
    """The sets of one epoch.

    Without replacement the m scans are permuted and cut into sets; an incomplete last set is
    filled with blanks. With replacement each slot is uniform over the scans. Then each slot
    becomes blank with probability p.

    Args:
        m: Number of training scans, at least 1.
        n: Slots in a set, at least 1.
        p: Probability of a blank, in [0, 1).
        replacement: Whether a scan can be drawn twice.
        generator: Source of randomness.

    Returns:
        Integers (ceil(m / n), n): positions of scans, -1 for a blank.

    Raises:
        BadInput: A number is out of its range.
    """
    if m < 1 or n < 1 or not 0 <= p < 1:
        raise BadInput(f"m >= 1, n >= 1 and 0 <= p < 1 must hold, got m = {m}, n = {n}, p = {p}")
    sets = -(-m // n)
    if replacement:
        slots = generator.integers(m, size=sets * n)
    else:
        slots = np.full(sets * n, BLANK, dtype=np.int64)
        slots[:m] = generator.permutation(m)
    blank = generator.random(sets * n) < p
    return np.where(blank, BLANK, slots).reshape(sets, n)
