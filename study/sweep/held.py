"""What a driver holds in memory of a search's records, kept small.

Optuna 5.0 makes names, distributions and attributes of each trial anew as it reads them, and notes
where each line of a journal begins: kilobytes a trial, of which a search of thousands needs little.
"""

from collections.abc import Generator, Iterable
from sys import intern
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial


class Journal(JournalFileBackend):
    """A journal file of which only the place where reading goes on is kept."""

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """As Optuna's, which keeps the place of every line."""
        yield from super().read_logs(log_number_from)
        last = max(self._log_number_offset)
        self._log_number_offset = {0: 0, last: self._log_number_offset[last]}


def hold_once(trials: Iterable[FrozenTrial]) -> None:
    """Let the equal parts of trials be the same objects; what the trials say stays as it is.

    Args:
        trials: As the storage itself holds them, not copies. None of them changes any more.
    """
    shared: dict[str, BaseDistribution] = {}
    for trial in trials:
        trial.params = _interned(trial.params)
        trial.user_attrs = _interned(trial.user_attrs)
        if trial.distributions != shared:
            shared = {intern(field): domain for field, domain in trial.distributions.items()}
        trial.distributions = shared


def _interned(said: dict[str, Any]) -> dict[str, Any]:
    return {intern(name): intern(value) if isinstance(value, str) else value for name, value in said.items()}
