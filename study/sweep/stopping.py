"""Why a sweep ends before its trials are spent, and the trials that must be saved first."""

import threading
from typing import Any

from ray import tune


class Stopping(tune.Stopper):
    """Ends a sweep in order when asked to, or when too many of its trials have failed.

    Args:
        asked: Set when somebody wants the sweep to end; running trials are saved first.
        bearable: Failed trials that the sweep goes on with.
    """

    def __init__(self, asked: threading.Event, bearable: float) -> None:
        self.asked, self.bearable = asked, bearable
        self.failed = 0
        self.unsaved: set[str] = set()
        """Ray ids of running trials that have not been saved since they were asked to end."""

    def __getstate__(self) -> dict[str, Any]:
        """Ray stores it with the experiment; nothing reads it back."""
        return {}

    @property
    def too_many_failures(self) -> bool:
        """Whether more trials failed than the sweep goes on with."""
        return self.failed > self.bearable

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """No single trial is stopped here."""
        return False

    def stop_all(self) -> bool:
        """Whether the sweep ends now."""
        return self.too_many_failures or (self.asked.is_set() and not self.unsaved)
