"""Scans preprocessed in their order, by several processes, never more than a few waiting in memory."""

import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process

from study.badinput import BadInput
from study.cohort.preprocess import Preprocessed, Preprocessing, preprocess_files
from study.cohort.scan import Scan

# Starting a process costs about as much as preprocessing this many bytes of NIfTI files.
_WORTH_A_PROCESS = 50e6


def preprocessed(
    scans: Sequence[Scan], spec: Preprocessing, workers: int | None = None
) -> Iterator[Preprocessed]:
    """Preprocess scans, yielding in their order.

    Args:
        scans: What to read.
        spec: What to do.
        workers: Processes; 1 works in this one, None chooses by machine and amount of data.

    Raises:
        BadInput: A scan cannot be used, or a process died.
    """
    count = min(workers or _suitable(scans), len(scans))
    if count <= 1:
        yield from (preprocess_scan(scan, spec) for scan in scans)
        return
    # Started afresh, not forked: the caller may hold threads and locks.
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_end_with_parent)
    waiting: deque[Future[Preprocessed]] = deque()
    try:
        for scan in scans:
            if len(waiting) >= 2 * count:
                yield waiting.popleft().result()
            waiting.append(pool.submit(preprocess_scan, scan, spec))
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise BadInput(
            "a process that preprocessed scans died, most likely for want of memory",
            where="preprocessing",
            fix="Free memory and run again",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def preprocess_scan(scan: Scan, spec: Preprocessing) -> Preprocessed:
    """One scan, from its files; errors name the scan as well as the file."""
    try:
        return preprocess_files(scan.image, scan.mask, scan.lesion_mask, spec)
    except BadInput as error:
        raise BadInput(error.what, where=f"scan {scan.id!r}, {error.where}", fix=error.fix) from error


def _end_with_parent() -> None:
    """Watch the parent: workers of a killed one would otherwise wait for work for ever."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _suitable(scans: Sequence[Scan]) -> int:
    """As many processes as cores, if there is enough to read for each."""
    size = sum(scan.image.stat().st_size for scan in scans)
    return max(1, min(os.cpu_count() or 1, int(size / _WORTH_A_PROCESS)))
