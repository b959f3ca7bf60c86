"""Where a study's numbers come from: code, versions, machine, cohort, seed."""

import platform
import re
import secrets
import socket
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from study.pipeline.prepared import Prepared
from study.pipeline.unchanged import identity

PACKAGES = ("setsum", "torch", "ray", "optuna", "numpy", "pandas", "nibabel")


def provenance(prepared: Prepared) -> dict[str, Any]:
    """What provenance.json holds."""
    arrays = prepared.arrays
    return {
        "format": 1,
        "name": _name(prepared.directory.root.name),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": prepared.settings.seed,
        **identity(prepared),
        "cohort": {"source": arrays.source, "layout": arrays.layout, "scans": len(arrays.ids)},
        "unit": arrays.unit,
        **surroundings(),
    }


def _name(folder: str) -> str:
    """One that no other study has, and that may stand in a URI."""
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '-', folder)}-{secrets.token_hex(4)}"


def surroundings() -> dict[str, Any]:
    """Revision of the code, versions and machine."""
    return {
        "git": _revision(),
        "python": platform.python_version(),
        "versions": {package: _version(package) for package in PACKAGES},
        "hosts": [
            {"name": socket.gethostname(), "machine": platform.machine(), "system": platform.platform()}
        ],
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _revision() -> str | None:
    """Revision of the checkout the code runs from, `+` when it has uncommitted changes; None outside one."""
    here = Path(__file__).parent
    try:
        revision = _git(here, "rev-parse", "HEAD")
        changed = _git(here, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return None
    return revision + ("+" if changed else "")


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own words only
    return done.stdout.strip()
