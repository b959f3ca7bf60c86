"""Optuna's storage, the truth about which trials exist: opened, checked, and counted.

One Optuna study an arm. Whatever was interrupted is RUNNING there, and stays so until a later run
takes it up again under its own number, with its own configuration.
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import optuna
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages.journal import JournalFileSymlinkLock, JournalStorage
from optuna.trial import FrozenTrial, TrialState
from ray.tune.search.optuna import OptunaSearch
from sqlalchemy.exc import SQLAlchemyError

from study.badinput import BadInput
from study.password import HIDDEN, expand
from study.sweep.held import Journal
from study.sweep.samplers import SAMPLERS
from study.sweep.spaces import Space

optuna.logging.set_verbosity(optuna.logging.ERROR)

DRIVER = "postgresql+psycopg://"
"""The one that the extra `postgresql` brings, where a URL names none."""
DATABASE_ERRORS = ("sqlalchemy.exc.", "psycopg.", "optuna.exceptions.StorageInternalError")
"""How a traceback's last line begins when a database was at fault."""
GONE = "the search's database does not answer"
ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def open_storage(storage: str | Path) -> BaseStorage:
    """A journal file, or a database by its URL (anything with `://`), `${NAME}` from the environment.

    A journal that a killed process left with a torn last line loses that line; otherwise the next
    entry would be appended to it and the journal could never be read again. One that cannot be read
    at all, because its beginning was lost, is put aside: the runs' own records hold what it held.

    Raises:
        BadInput: The journal or the database cannot be opened, or a variable is not set.
    """
    with _opening(storage) as url:
        if "://" in url:
            return RDBStorage(url)
        path = Path(storage).resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        _mend(path)
        try:
            return JournalStorage(Journal(str(path)))
        except (KeyError, ValueError, AssertionError, IndexError):
            path.replace(_free_name(path))
            return JournalStorage(Journal(str(path)))


def open_existing(storage: str | Path) -> BaseStorage:
    """`open_storage` for somebody who only reads, perhaps while others write: nothing is made or mended.

    Raises:
        BadInput: It is not there, or cannot be opened.
    """
    with _opening(storage) as url:
        if "://" in url:
            return RDBStorage(url, skip_table_creation=True)
        if not Path(storage).is_file():
            raise FileNotFoundError("no such file")
        return JournalStorage(Journal(str(storage)))


@contextmanager
def database_at_hand() -> Iterator[None]:
    """A database that goes away while it is used is an OSError, as a disk that does.

    Raises:
        OSError: It went away.
    """
    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        reason = str(getattr(error.__cause__ or error, "orig", None) or error)
        raise OSError(f"{GONE} ({' '.join(reason.split())})") from error


@contextmanager
def _opening(storage: str | Path) -> Iterator[str]:
    """The URL of a database, or a text without `://`; what goes wrong with it becomes bad input."""
    url, secrets = _expanded(storage) if isinstance(storage, str) else ("", ())
    try:
        yield re.sub(r"^postgres(ql)?://", DRIVER, url)
    except Exception as error:
        # Databases raise whatever their drivers raise, and may quote what they were given.
        reason = str(getattr(error, "orig", None) or error)
        for secret in secrets:
            reason = reason.replace(secret, HIDDEN)
        absent = isinstance(error, ImportError) and url.startswith("postgres")
        fix = "Install its driver: pip install 'setsum[postgresql]'" if absent else "Check path or URL"
        raise BadInput(
            f"the search's storage cannot be opened ({reason})", where=str(storage), fix=fix
        ) from (None if secrets else error)


def is_journal(storage: str | Path) -> bool:
    """Whether a storage is a file of the study's own, not a database.

    Raises:
        BadInput: A variable is not set.
    """
    return not isinstance(storage, str) or "://" not in _expanded(storage)[0]


def stored_name(storage: str | Path, study: str, arm: str) -> str:
    """Name of an arm's search in a storage: the arm's, behind the study's in a database."""
    return arm if is_journal(storage) else f"{study}/{arm}"


def open_study(
    space: Space,
    storage: BaseStorage,
    *,
    name: str = "",
    sampler: str,
    seed: int,
    identity: Mapping[str, object],
    started: int = 0,
    recorded: Callable[[], Sequence[FrozenTrial]] = list,
) -> optuna.Study:
    """The stored study of an arm, made when there is none, with the arm's named points enqueued once.

    Args:
        space: The arm's resolved search space.
        storage: From `open_storage`.
        name: Of the stored study, the arm's by default.
        sampler: A name of `SAMPLERS`.
        seed: Of the whole study.
        identity: Whatever else must not change between two runs, such as data and folds.
        started: Trials that are known to have been started.
        recorded: All of them, in the order of their numbers; asked for when the storage has lost some,
            which are then put back.

    Raises:
        BadInput: The stored study belongs to another search space, direction, cohort, folds or seed.
    """
    if sampler not in SAMPLERS:
        raise BadInput(f"`sampler` is one of {', '.join(SAMPLERS)}, got {sampler}", where="sampler")
    study = optuna.create_study(
        study_name=name or space.arm, storage=storage, direction="minimize", load_if_exists=True
    )
    trials = study.get_trials(deepcopy=False)
    _check_same(study, trials, {**identity, **_described(space)})
    study.sampler = SAMPLERS[sampler](seed)
    if len(trials) < started:
        study.add_trials(recorded()[len(trials) :])
        trials = study.get_trials(deepcopy=False)
    stored = {trial.user_attrs.get("origin") for trial in trials}
    for origin, point in space.points.items():
        if origin not in stored:
            study.enqueue_trial(point, user_attrs={"origin": origin})
    return study


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """The searched fields in Optuna's words."""
    converted: dict[str, BaseDistribution] = OptunaSearch.convert_search_space(space.domains)
    return converted


def ended(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that need no more work: completed, pruned, diverged or failed."""
    return study.get_trials(deepcopy=False, states=ENDED)


def interrupted(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that were started and never ended, in the order of their numbers."""
    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


def _expanded(storage: str) -> tuple[str, tuple[str, ...]]:
    try:
        return expand(storage)
    except KeyError as error:
        raise BadInput(
            f"the environment variable {error.args[0]} is not set",
            where=f"search.storage: {storage}",
            fix=f"export {error.args[0]}=...",
        ) from None


def _described(space: Space) -> dict[str, object]:
    described = {field: distribution_to_json(domain) for field, domain in distributions(space).items()}
    return {f"space: {field}": text for field, text in described.items()} | {
        f"constant: {field}": value for field, value in space.constants.items()
    }


def _check_same(study: optuna.Study, trials: list[FrozenTrial], identity: Mapping[str, object]) -> None:
    """Refuse a stored study that answers another question; remember a new one's."""
    new = json.loads(json.dumps(dict(identity)))
    old = study.user_attrs.get("identity")
    if old is None and not trials:
        study.set_user_attr("identity", new)
        old = new
    changed = sorted(key for key in {**(old or {}), **new} if (old or {}).get(key) != new.get(key))
    if study.direction != optuna.study.StudyDirection.MINIMIZE:
        changed.insert(0, "direction")
    if changed:
        key = changed[0]
        raise BadInput(
            f"the stored search of arm `{study.study_name}` was made with another {key} "
            f"({(old or {}).get(key)}, now {new.get(key)}), and their trials cannot be compared",
            where=f"arm {study.study_name}",
            fix="Undo the change, or start a study in a new directory",
        )


def _free_name(journal: Path) -> Path:
    names = (journal.with_name(f"{journal.name}.unreadable-{number}") for number in count(1))
    return next(name for name in names if not name.exists())


def _mend(journal: Path) -> None:
    """Cut a journal after its last whole line, unless a living process is about to complete it."""
    if not journal.exists() or _whole(journal) == journal.stat().st_size:
        return
    lock = JournalFileSymlinkLock(str(journal))
    lock.acquire()
    try:
        os.truncate(journal, _whole(journal))
    finally:
        lock.release()


def _whole(journal: Path) -> int:
    """Bytes up to the end of the last whole line."""
    return journal.read_bytes().rfind(b"\n") + 1
