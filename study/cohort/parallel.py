"""Scans preprocessed in their order, by several threads, never more than a few waiting in memory.

Threads and not processes: nearly all the time is spent decompressing, hashing and in numpy, which let
other threads run, and starting a process takes longer than preprocessing dozens of scans.
"""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from study.badinput import BadInput
from study.cohort.preprocess import Preprocessed, Preprocessing, preprocess_files
from study.cohort.scan import Scan


def preprocessed(
    scans: Sequence[Scan], spec: Preprocessing, workers: int | None = None
) -> Iterator[Preprocessed]:
    """Preprocess scans, yielding in their order.

    Args:
        scans: What to read.
        spec: What to do.
        workers: Threads; None takes one a core.

    Raises:
        BadInput: A scan cannot be used.
    """
    count = workers or os.cpu_count() or 1
    pool = ThreadPoolExecutor(count)
    waiting: deque[Future[Preprocessed]] = deque()
    try:
        for scan in scans:
            if len(waiting) >= 2 * count:
                yield waiting.popleft().result()
            waiting.append(pool.submit(preprocess_scan, scan, spec))
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def preprocess_scan(scan: Scan, spec: Preprocessing) -> Preprocessed:
    """One scan, from its files; errors name the scan as well as the file."""
    try:
        return preprocess_files(scan.image, scan.mask, scan.lesion_mask, spec)
    except BadInput as error:
        raise BadInput(error.what, where=f"scan {scan.id!r}, {error.where}", fix=error.fix) from error
