"""Memory that training has freed stays with the process, instead of going back to the system each step.

Activations of tens of megabytes are freed and asked for again many times a step; the system has to
clear every page each time, which costs a tenth of a training (measured in benchmarks).
"""

import ctypes
import sys
from functools import lru_cache

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Numbers of glibc's `mallopt`."""


@lru_cache(maxsize=1)
def keep_freed_memory() -> bool:
    """Ask the C library to keep what is freed, once a process; False where it is not glibc."""
    mallopt = getattr(_libc(), "mallopt", None)
    return bool(mallopt and mallopt(_TRIM_THRESHOLD, -1) and mallopt(_MMAP_MAX, 0))


def return_freed_memory() -> None:
    """Give back now what is free, for example before peak memory is measured anew."""
    trim = getattr(_libc(), "malloc_trim", None)
    if trim:
        trim(0)


@lru_cache(maxsize=1)
def _libc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if sys.platform == "linux" else None
