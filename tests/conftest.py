"""Timing goes into benchmarks, never into tests: no deadline for an example."""

import signal

from hypothesis import settings
from refusals import refuse  # noqa: F401 - a fixture

# Ignored in whatever a shell starts in the background, and inherited: tests of Ctrl-C would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)
settings.register_profile("setsum", deadline=None)
settings.load_profile("setsum")
