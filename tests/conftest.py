"""Timing goes into benchmarks, never into tests: no deadline for an example."""

from hypothesis import settings
from refusals import refuse  # noqa: F401 - a fixture

settings.register_profile("setsum", deadline=None)
settings.load_profile("setsum")
