"""How many trials may be under way at the moment, while nodes of a cluster come and go."""

import time
from collections.abc import Callable

from study.sweep.cluster import joined, room

LOOK_EVERY_S = 2.0
"""Between two looks at which nodes there are."""


def following(cpus: float, gpus: float) -> Callable[[], int]:
    """A function that says how many trainings fit now; 0 while every node with room for one is away."""
    looked, found = float("-inf"), 0

    def now() -> int:
        nonlocal looked, found
        if time.monotonic() - looked >= LOOK_EVERY_S:
            looked, found = time.monotonic(), room(cpus, gpus)
        return found

    return now


def wanted(cpus: float, gpus: float) -> Callable[[], int]:
    """`following`, and on a cluster that was joined one more, which waits.

    A cluster that can grow adds a node only where something waits for one.
    """
    fit = following(cpus, gpus)
    return lambda: fit() + joined()
