"""Files of a cohort that really lie within it: a link may not lead out of the folder a user named."""

from pathlib import Path

from study.badinput import BadInput


def check_inside(path: Path, root: Path, *, where: str, what: str) -> None:
    """Refuse a file that lies elsewhere once its links are followed.

    Args:
        path: The file.
        root: The cohort's folder, which may be a link itself.
        where: Names the file or row in the error.
        what: What the file is to the user, such as `image`.

    Raises:
        BadInput: A link leads out, in a circle, or cannot be followed.
    """
    try:
        within = path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError, ValueError) as error:
        raise BadInput(f"{what} cannot be followed ({error})", where=where, fix="Repair the link") from error
    if not within:
        raise BadInput(
            f"{what} is a link out of the cohort's folder",
            where=where,
            fix="Copy the file there, or give its absolute path in a manifest",
        )
