"""One local Ray for all tests that need a real one."""

from collections.abc import Iterator

import pytest

from study.sweep.cluster import start_ray


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    with start_ray(cpus=2):
        yield
