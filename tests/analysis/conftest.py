"""Tested studies for the tests of analysis."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from studies import write_study


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A tested study that a test may change."""
    return write_study(tmp_path / "study")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tested study, to be read only."""
    return write_study(tmp_path_factory.mktemp("finished") / "study")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A real browser, headless."""
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("there is no chromium to render with")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()
