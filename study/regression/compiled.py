"""Loops over maps compiled by Numba, for what torch's operators need several passes for on a CPU.

Numba has no bfloat16: its bits arrive as uint16, and are converted here, a number at a time.
"""

import threading
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import torch
from numba import types
from numba.extending import overload
from numpy.typing import NDArray
from torch import Tensor

_ONE_AT_A_TIME = threading.Lock()
"""Some of Numba's thread pools may not be called from two threads."""


def compiled(function: Callable[..., None]) -> Callable[..., None]:
    """The function as machine code, its `numba.prange` shared by as many threads as torch has.

    Compiled when first called, for the types of its arguments, and kept beside the source file or in the
    user's cache. Sums keep their order, so the number of threads doesn't matter to the result.
    """
    fast: Callable[..., None] = numba.njit(
        parallel=True, cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz"}
    )(function)

    def run(*arrays: NDArray[Any]) -> None:
        with _ONE_AT_A_TIME:
            numba.set_num_threads(min(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS))
            fast(*arrays)

    return run


def as_array(tensor: Tensor) -> NDArray[Any]:
    """The same memory; bfloat16 as uint16."""
    return (tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor).numpy()


def voxels_first(maps_BCDHW: Tensor) -> Tensor:
    """(B, D, H, W, C), contiguous: a view where channels lie last in memory."""
    return maps_BCDHW.movedim(1, -1).contiguous()


def _start_threads() -> None:
    """Starting Numba's threads tells OpenMP, and with it torch, to use all cores."""
    threads = torch.get_num_threads()
    numba.set_num_threads(1)
    torch.set_num_threads(threads)


_start_threads()


def number(stored: Any) -> Any:  # noqa: ANN401 - a number of whatever type the maps have
    """The floating point number that is stored, within a compiled loop."""
    raise NotImplementedError


def store(into: NDArray[Any], at: int, value: Any) -> None:  # noqa: ANN401
    """into[at] = value, rounded to what is stored there, to even; within a compiled loop."""
    raise NotImplementedError


def rectified(stored: Any) -> Any:  # noqa: ANN401
    """relu of what is stored, as it is stored; a NaN stays one. Within a compiled loop."""
    raise NotImplementedError


def exceeds(stored: Any, other: Any) -> bool:  # noqa: ANN401
    """Whether the first of two that are `rectified` is larger, or a NaN; within a compiled loop."""
    raise NotImplementedError


# Numba wants a template's parameters and its function's to be annotated alike.


@overload(number)
def _number(stored: Any) -> Any:  # noqa: ANN401
    def widened(stored: Any) -> Any:  # noqa: ANN401
        return np.uint32(np.uint32(stored) << np.uint32(16)).view(np.float32)

    def itself(stored: Any) -> Any:  # noqa: ANN401
        return stored

    return widened if stored == types.uint16 else itself


@overload(store)
def _store(into: Any, at: Any, value: Any) -> Any:  # noqa: ANN401
    def rounded(into: Any, at: Any, value: Any) -> None:  # noqa: ANN401
        bits = np.float32(value).view(np.uint32)
        half_or_more = np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
        upper = np.uint16((bits + half_or_more) >> np.uint32(16))
        into[at] = upper if value == value else np.uint16(0x7FC0)

    def itself(into: Any, at: Any, value: Any) -> None:  # noqa: ANN401
        into[at] = value

    return rounded if into.dtype == types.uint16 else itself


@overload(rectified)
def _rectified(stored: Any) -> Any:  # noqa: ANN401
    def by_bits(stored: Any) -> Any:  # noqa: ANN401
        # From minus zero to minus infinity.
        return np.uint16(0) if np.uint16(0x8000) <= stored <= np.uint16(0xFF80) else stored

    def by_value(stored: Any) -> Any:  # noqa: ANN401
        return type(stored)(0) if stored <= 0 else stored

    return by_bits if stored == types.uint16 else by_value


@overload(exceeds)
def _exceeds(stored: Any, other: Any) -> Any:  # noqa: ANN401
    def by_bits(stored: Any, other: Any) -> Any:  # noqa: ANN401
        return stored > other

    def by_value(stored: Any, other: Any) -> Any:  # noqa: ANN401
        return stored > other or stored != stored

    return by_bits if stored == types.uint16 else by_value
