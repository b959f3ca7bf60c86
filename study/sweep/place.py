"""A folder that every node of a cluster reaches: on a shared disk by its path, or in a bucket by a URI.

A URI is pyarrow's (`s3://bucket/prefix?endpoint_override=...`); a file's URI is a path.
Credentials come from the environment of whoever opens it, each node's own, and stand in no URI.
"""

import os
import secrets
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem

from study.badinput import BadInput
from study.record import atomic

Place = str | Path

_FIX = (
    "Check the name, that it may be written to, and for a bucket the AWS_* variables (AWS_ENDPOINT_URL too)"
)


def is_remote(place: Place) -> bool:
    """Whether a place is a URI of something other than files."""
    return "://" in str(place) and urlsplit(str(place)).scheme != "file"


def below(place: Place, *names: str) -> str:
    """A place within a place; a URI's parameters stay at its end."""
    if not is_remote(place):
        return str(_path(place).joinpath(*names))
    path, mark, parameters = str(place).partition("?")
    scheme, _, rest = path.partition("://")
    return f"{scheme}://{'/'.join([rest.strip('/'), *names])}{mark}{parameters}"


def beside(place: str, name: str) -> str:
    """Another file of the same folder."""
    path, mark, parameters = place.partition("?") if is_remote(place) else (place, "", "")
    return f"{path.rpartition('/')[0]}/{name}{mark}{parameters}"


def opened(place: Place) -> tuple[FileSystem, str]:
    """The file system of a place, and the place's path in it.

    Raises:
        OSError: There is no connection, or no such file system.
        ValueError: The URI cannot be read.
    """
    if not is_remote(place):
        return LocalFileSystem(), str(_path(place).absolute())
    path, mark, parameters = str(place).partition("?")
    scheme, _, rest = path.partition("://")
    bucket, _, key = rest.rstrip("/").partition("/")
    if not bucket:
        raise ValueError("it names no bucket")
    filesystem, root = _connected(
        f"{scheme}://{bucket}{mark}{parameters}", os.environ.get("AWS_ENDPOINT_URL")
    )
    return filesystem, f"{root}/{key}".rstrip("/")


def folders(place: Place, beginning: str) -> list[str]:
    """Names of the folders in a place that begin so, in order; none where the place does not exist."""
    filesystem, path = opened(place)
    found = filesystem.get_file_info(FileSelector(path, allow_not_found=True))
    names = [entry.base_name for entry in found if entry.type == FileType.Directory]
    return sorted(name for name in names if name.startswith(beginning))


def exists(place: Place) -> bool:
    """Whether a file is there.

    Raises:
        OSError: There is no connection.
    """
    filesystem, path = opened(place)
    return bool(filesystem.get_file_info(path).type == FileType.File)


def read(place: Place) -> bytes:
    """A file's content.

    Raises:
        OSError: It is not there, or there is no connection.
    """
    filesystem, path = opened(place)
    with filesystem.open_input_stream(path) as stream:
        content: bytes = stream.read()
    return content


def write(place: Place, content: bytes) -> None:
    """A file, whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    if not is_remote(place):
        with atomic(_path(place)) as file:
            file.write(content)
        return
    filesystem, path = opened(place)
    # An object appears when it is whole.
    with filesystem.open_output_stream(path) as stream:
        stream.write(content)


def remove(place: Place) -> None:
    """Take a file away, if it is there.

    Raises:
        OSError: It cannot be.
    """
    filesystem, path = opened(place)
    with suppress(FileNotFoundError):
        filesystem.delete_file(path)


def remove_folder(place: Place) -> None:
    """Take a folder away with all in it, if it is there and can be; nothing depends on it any more."""
    with suppress(OSError):
        filesystem, path = opened(place)
        filesystem.delete_dir(path)


def check_place(place: Place) -> None:
    """See that files can be written, read and removed in a place; a folder is made.

    Raises:
        BadInput: They cannot.
    """
    content = b"setsum"
    try:
        probe = below(place, f".setsum-{secrets.token_hex(8)}")
        write(probe, content)
        if read(probe) != content:
            raise OSError("what was written is not what is read")
        remove(probe)
    except BadInput as error:
        raise BadInput(f"cannot be used as storage ({error.what})", where=str(place), fix=_FIX) from None
    except (OSError, ValueError, NotImplementedError) as error:
        raise BadInput(f"cannot be used as storage ({error})", where=str(place), fix=_FIX) from None


def _path(place: Place) -> Path:
    """Of a place on a disk.

    Raises:
        ValueError: A file's URI names another machine, or no folder.
    """
    if "://" not in str(place):
        return Path(place)
    uri = urlsplit(str(place))
    if uri.netloc not in ("", "localhost") or not uri.path:
        raise ValueError("the URI of a folder of this machine is written file:///folder")
    return Path(unquote(uri.path))


@lru_cache(maxsize=8)
def _connected(uri: str, endpoint: str | None) -> tuple[FileSystem, str]:
    """Of a bucket; a connection serves all that lies in it, as long as `endpoint` is what pyarrow finds."""
    filesystem, root = FileSystem.from_uri(uri)
    return filesystem, root.rstrip("/")
