"""setsum: how strongly should a regressor be regularised by learning from sets of scans?

`run_study` and `load_study` are loaded when they are first asked for, so that `import study` stays light.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
__all__ = ["Series", "Study", "load_study", "run_study"]

_PLACES = {
    "Series": "study.api.series",
    "Study": "study.api.study",
    "load_study": "study.api.running",
    "run_study": "study.api.running",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - classes and functions
    if name not in _PLACES:
        raise AttributeError(f"module 'study' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLACES])
