"""Loops compiled by Numba, for what torch's operators need several passes over maps for on a CPU.

What a loop calls stands in its own file: only when that changes is it compiled anew.
"""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import numba
import torch
from numpy.typing import NDArray
from torch import Tensor

F = TypeVar("F", bound=Callable[..., Any])

_ONE_AT_A_TIME = threading.Lock()
"""Some of Numba's thread pools may not be called from two threads."""

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "nsz"}}
"""Sums may multiply and add in one instruction, and forget the sign of a zero."""

_MOST_THREADS = numba.get_num_threads()


def in_parallel(loop: Callable[..., None]) -> Callable[..., None]:
    """The function as machine code, its `numba.prange` shared by as many threads as torch has.

    Compiled when first called (seconds), and kept beside the source file or in the user's cache, if there is
    room; the loop has to bear being run again.
    """
    try:
        fast: Callable[..., None] = numba.njit(parallel=True, cache=True, **_OPTIONS)(loop)
    except RuntimeError:  # no folder to keep it in can be written
        fast = numba.njit(parallel=True, **_OPTIONS)(loop)

    def run(*arguments: Any) -> None:  # noqa: ANN401 - arrays and numbers
        with _ONE_AT_A_TIME:
            numba.set_num_threads(min(torch.get_num_threads(), _MOST_THREADS))
            try:
                fast(*arguments)
            except OSError:  # compiled, but not kept
                fast(*arguments)

    return run


def within_loops(function: F) -> F:
    """A function that compiled loops call."""
    compiled: F = numba.njit(**_OPTIONS)(function)
    return compiled


def as_array(tensor: Tensor) -> NDArray[Any]:
    """The same memory; bfloat16, which Numba lacks, by its bits as uint16."""
    return (tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor).numpy()
