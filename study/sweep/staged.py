"""The cohort's arrays on every node of a cluster, copied there once, by whichever process needs them first.

Trials map their images into memory. On the driver's node that is the study's own file; another node
may not see the study's folder, or see it across a slow network, so it gets a copy in its temporary
folder, keyed by the cohort's fingerprint and made under a lock. An actor beside the driver hands the
files out part by part, so that neither end holds a whole cohort in memory.
"""

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import ray
from filelock import FileLock
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from study.badinput import BadInput
from study.cohort.arrays import FILES, IMAGES, open_arrays
from study.record import atomic, remove_parts, write_text

PART_BYTES = 32 * 2**20
"""Of a file, handed out at a time."""
LOCK, DIGEST = ".lock", "images.sha256"


class Source(Protocol):
    """Where a copy comes from."""

    def digest(self) -> str:
        """SHA-256 of the images."""

    def parts(self, name: str) -> Iterator[bytes]:
        """A file, part by part."""


def hand_out(arrays: Path, fingerprint: str) -> str:
    """Hand a cohort's arrays out to other nodes until Ray is shut down; the Ray id of this node."""
    context = ray.get_runtime_context()
    _beside_the_driver(context.get_job_id(), context.get_node_id(), str(arrays), fingerprint)
    return str(context.get_node_id())


def arrays_here(arrays: Path, fingerprint: str, origin: str) -> Path:
    """The directory of a cohort's arrays on this node; copied first where need be.

    Args:
        arrays: Where they lie on the node that handed them out.
        fingerprint: Of the cohort.
        origin: What `hand_out` returned, or an empty string: they lie there on every node.

    Raises:
        BadInput: The temporary folder belongs to somebody else.
        OSError: The copy cannot be written, or is not what was sent.
    """
    if not origin or ray.get_runtime_context().get_node_id() == origin:
        return arrays
    return stage(fingerprint, _Handed(fingerprint))


def stage(fingerprint: str, source: Source) -> Path:
    """A copy of a cohort's arrays in this node's temporary folder, made unless a whole one lies there.

    Raises:
        BadInput: The temporary folder belongs to somebody else.
        OSError: The copy cannot be written, or is not what was sent.
    """
    folder = _own_folder() / fingerprint
    folder.mkdir(mode=0o700, exist_ok=True)
    with FileLock(folder / LOCK):
        digest = source.digest()
        if not _is_whole(folder, fingerprint, digest):
            remove_parts(folder)
            (folder / DIGEST).unlink(missing_ok=True)
            for name in FILES:
                with atomic(folder / name) as stream:
                    stream.writelines(source.parts(name))
            if _digest(folder / IMAGES) != digest:
                raise OSError(f"{folder}: the cohort changed while it was copied to this node")
            # Last: where it lies, the copy is whole.
            write_text(folder / DIGEST, digest)
    return folder


def _is_whole(folder: Path, fingerprint: str, digest: str) -> bool:
    """Whether these very arrays lie there; truncated ones cannot be opened.

    Another version's preprocessing may have made others of the same scans.
    """
    try:
        same = (folder / DIGEST).read_text() == digest
        return same and open_arrays(folder).fingerprint == fingerprint
    except (BadInput, OSError):
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _own_folder() -> Path:
    """A folder of the user's own, on this node's disk: others may neither read nor prepare a cohort there."""
    user = os.getuid()
    folder = Path(tempfile.gettempdir()) / f"setsum-cohorts-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != user or found.st_mode & 0o022:
        raise BadInput(
            "is not this user's own folder, so no scans are copied into it",
            where=str(folder),
            fix="Remove it, or set TMPDIR where Ray is started on that node",
        )
    return folder


def _name(fingerprint: str) -> str:
    return f"setsum-cohort-{fingerprint}"


@lru_cache(maxsize=4)
def _beside_the_driver(job: str, node: str, arrays: str, fingerprint: str) -> Any:  # noqa: ANN401
    """The actor; it lives as long as its handle is kept here, at most as long as the job."""
    here = NodeAffinitySchedulingStrategy(node, soft=False)
    actor = ray.remote(_Files).options(
        name=_name(fingerprint), num_cpus=0, max_concurrency=8, max_restarts=-1, scheduling_strategy=here
    )
    return actor.remote(arrays)


class _Files:
    """The files of a cohort's arrays, read for whoever asks."""

    def __init__(self, arrays: str) -> None:
        self.arrays = Path(arrays)
        self.images = _digest(self.arrays / IMAGES)

    def digest(self) -> str:
        """SHA-256 of the images."""
        return self.images

    def part(self, name: str, begin: int) -> bytes:
        """`PART_BYTES` of a file, fewer at its end."""
        assert name in FILES
        with (self.arrays / name).open("rb") as stream:
            stream.seek(begin)
            return stream.read(PART_BYTES)


class _Handed:
    """The actor's files, fetched across the network."""

    def __init__(self, fingerprint: str) -> None:
        self.actor: Any = ray.get_actor(_name(fingerprint))

    def digest(self) -> str:
        digest: str = ray.get(self.actor.digest.remote())
        return digest

    def parts(self, name: str) -> Iterator[bytes]:
        begin = 0
        while part := ray.get(self.actor.part.remote(name, begin)):
            yield part
            begin += len(part)
