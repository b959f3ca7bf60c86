"""Tested studies for the tests of analysis."""

from pathlib import Path

import pytest
from studies import write_study


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A tested study that a test may change."""
    return write_study(tmp_path / "study")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tested study, to be read only."""
    return write_study(tmp_path_factory.mktemp("finished") / "study")
