"""Names of what comes with the package: search spaces and study files. Loads nothing heavy."""

from importlib import resources
from pathlib import Path

import study


def built_in_arms() -> dict[str, Path]:
    """The search-space files that come with the package, by arm."""
    directory = Path(study.__file__).parent.parent / "search_spaces"
    return {path.stem: path for path in sorted(directory.glob("*.yaml"))}


def builtin_names() -> list[str]:
    """Names of the study files that come with the package."""
    folder = resources.files("study") / "templates"
    return sorted(
        entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")
    )
