"""A cohort's fingerprint: a hash over ids, labels, the files' bytes and the preprocessing."""

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from study.badinput import BadInput
from study.cohort.preprocess import Preprocessing
from study.cohort.scan import Cohort, Scan

# Raised when `preprocess` gives other numbers, so that older arrays are built anew.
_VERSION = 1


def fingerprint(cohort: Cohort, spec: Preprocessing) -> str:
    """SHA-256, hexadecimal.

    Raises:
        BadInput: A file cannot be read, or two scans have the same content: one of them might be
            tested on what the other taught.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = list(pool.map(_row, cohort.scans))
    seen: dict[tuple[str, str], str] = {}
    for scan, row in zip(cohort.scans, rows, strict=True):
        key = row[2], row[3]
        if key in seen:
            raise BadInput(
                f"scans {seen[key]!r} and {scan.id!r} have the same image, byte for byte",
                where=str(scan.image),
                fix="Keep one of them",
            )
        seen[key] = scan.id
    content = json.dumps([_VERSION, rows, spec.model_dump(mode="json")], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _row(scan: Scan) -> tuple[str, str, str, str, str]:
    """Id, label, and the digests of image, mask and lesion mask."""
    image, mask, lesions = (_digest(path) for path in (scan.image, scan.mask, scan.lesion_mask))
    return scan.id, float(scan.label).hex(), image, mask, lesions


def _digest(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise BadInput(
            f"cannot be read ({error.strerror})", where=str(path), fix="Restore the file"
        ) from error
