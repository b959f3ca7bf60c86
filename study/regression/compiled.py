"""Loops compiled by Numba, for what torch's operators need several passes over maps for on a CPU.

Numba has no bfloat16: its bits arrive as uint16, and are converted here, a number at a time.
"""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
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
    """The same memory; bfloat16 as uint16."""
    return (tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor).numpy()


def _start_threads() -> None:
    """Starting Numba's threads tells OpenMP, and with it torch, to use all cores."""
    threads = torch.get_num_threads()
    numba.set_num_threads(1)
    torch.set_num_threads(threads)


_start_threads()


@within_loops
def from_bits(bits: np.uint16) -> np.float32:
    """The number whose bfloat16 bits these are."""
    return np.uint32(np.uint32(bits) << np.uint32(16)).view(np.float32)


@within_loops
def to_bits(number: np.float32) -> np.uint16:
    """The bits of the nearest bfloat16, of two the even one; a NaN stays one."""
    bits = np.float32(number).view(np.uint32)
    half_or_more = np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    upper = np.uint16((bits + half_or_more) >> np.uint32(16))
    return upper if number == number else np.uint16(0x7FC0)


@within_loops
def rectified(bits: np.uint16) -> np.uint16:
    """The bits of relu: zero from minus zero to minus infinity. They are in order, NaNs above all."""
    return np.uint16(0) if np.uint16(0x8000) <= bits <= np.uint16(0xFF80) else bits
