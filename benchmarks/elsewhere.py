"""A candidate in a process of its own: peers keep their own allocator, threads and peak memory."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch

from benchmarks.processes import peak_mb

Make = Callable[..., Callable[[], object]]
"""Builds what is timed, in the new process, from plain arguments."""


class Elsewhere:
    """A process that runs `make(*arguments)()` when told to.

    Args:
        make: A function of a module, so that the process can import it.
        arguments: For `make`.
        threads: Of torch in that process.
    """

    def __init__(self, make: Make, *arguments: object, threads: int = 1) -> None:
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, make, arguments, threads), daemon=True)

    def __enter__(self) -> Self:
        self.process.start()
        self.pipe.recv()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pipe.send("end")
        self.process.join()

    def seconds(self) -> float:
        """Of a run that follows others of its kind, by the process's own clock."""
        self.pipe.send("run")
        return float(self.pipe.recv())

    def peak_mb(self) -> float:
        """Peak resident memory of the process since its start, MB."""
        self.pipe.send("peak")
        return float(self.pipe.recv())


def in_turn(candidates: Mapping[str, Elsewhere], rounds: int, warmup: int = 2) -> dict[str, np.ndarray]:
    """Seconds (rounds,) of each candidate, one after the other in every round, in turning order."""
    names = list(candidates)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    with ExitStack() as stack:
        for candidate in candidates.values():
            stack.enter_context(candidate)
        for number in range(-warmup, rounds):
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                elapsed = candidates[name].seconds()
                if number >= 0:
                    seconds[name].append(elapsed)
    return {name: np.array(values) for name, values in seconds.items()}


def _serve(pipe: Connection, make: Make, arguments: tuple[Any, ...], threads: int) -> None:
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    run = make(*arguments)
    pipe.send("ready")
    while (order := pipe.recv()) != "end":
        pipe.send(_ORDERS[order](run))


SETTLED_S = 0.2
"""So long a candidate runs in its turn before the clock counts, unless once takes longer."""


def _timed(run: Callable[[], object]) -> float:
    """Median of the later half of a turn: in a training a step follows steps, and not another process that
    has just filled the caches."""
    seconds: list[float] = []
    while sum(seconds) < 2 * SETTLED_S:
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
        if seconds[-1] > SETTLED_S:
            break
    return float(np.median(seconds[len(seconds) // 2 :]))


_ORDERS: dict[str, Callable[[Callable[[], object]], object]] = {
    "run": _timed,
    "peak": lambda run: peak_mb(),
}
