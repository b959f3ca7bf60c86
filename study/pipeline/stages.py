"""The stages in their order, and what runs of them: all, what is left, or more trials."""

import shlex
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import yaml

from analysis.report import write_findings_and_report
from study.badinput import BadInput
from study.pipeline.confirm import confirm
from study.pipeline.export import export
from study.pipeline.lock import occupied
from study.pipeline.prepare import open_study, prepare
from study.pipeline.prepared import Prepared
from study.pipeline.progress import Progress
from study.pipeline.search import is_searched, search
from study.pipeline.test import test, tested
from study.record import StudyDirectory, write_yaml
from study.settings import StudySettings
from study.sweep.cluster import start_ray
from study.sweep.interrupt import (
    FAILED,
    INTERRUPTED,
    InterruptedInOrderError,
    StoppedError,
    storage_trouble,
)


def run(settings: StudySettings, root: Path, progress: Progress) -> None:
    """Everything from scans to export; a directory that holds the same study is continued."""
    with alone(root):
        all_stages(prepare(settings, root, progress), progress)


def resume(root: Path, progress: Progress, accept: Collection[str] = ()) -> None:
    """Whatever is left of a study; `accept` as for `open_study`."""
    with opened(root, progress, accept) as prepared:
        all_stages(prepared, progress)


def extend(root: Path, trials: int, progress: Progress, accept: Collection[str] = ()) -> Prepared:
    """Search so many trials more in every arm, and confirm. The test set stays closed.

    `accept` is as for `open_study`.

    Raises:
        BadInput: Not a positive number of trials.
    """
    if not isinstance(trials, int) or trials < 1:
        raise BadInput(f"--trials must be at least 1 and a whole number, got {trials!r}")
    directory = StudyDirectory(root.resolve())
    with opened(root, progress, accept, again=without_test(root)) as prepared:
        settings = yaml.safe_load(directory.settings.read_text())
        settings["budget"]["trials"] = prepared.settings.budget.trials + trials
        write_yaml(directory.settings, settings)
        prepared = open_study(root, progress)
        search(prepared, progress)
        confirm(prepared, progress)
        write_findings_and_report(prepared.directory.root)
    return prepared


def without_test(root: Path) -> str:
    """The commands that go on with an extension: `resume` would open the test set."""
    place = shlex.quote(str(root))
    return f"setsum sweep {place} && setsum confirm {place}"


@contextmanager
def opened(
    root: Path, progress: Progress, accept: Collection[str] = (), *, again: str = ""
) -> Iterator[Prepared]:
    """A study read back, for this process alone to work on; `accept` as for `open_study`, `again` as for
    `alone`.

    Raises:
        BadInput: There is none, it has changed, or another process works on it.
        StoppedError: Ctrl-C.
    """
    with alone(root, again):
        yield open_study(root, progress, accept)


@contextmanager
def alone(root: Path, again: str = "") -> Iterator[None]:
    """Work in a folder as its only process; how it ends early is one line that says how to go on.

    Args:
        root: The folder.
        again: The command that goes on, where `setsum resume` does not.

    Raises:
        BadInput: Another process works in it.
        StoppedError: Ctrl-C, or a disk that is full or gone.
    """
    with occupied(root):
        try:
            yield
        except KeyboardInterrupt as error:
            in_order = isinstance(error, InterruptedInOrderError)
            how = "interrupted, everything so far is saved" if in_order else "stopped at once"
            raise StoppedError(f"{how}; go on with: {again or _again(root)}", INTERRUPTED) from None
        except OSError as error:
            # A disk that is full or gone is no bad input; what lies there is whole.
            line = f"{storage_trouble(error)}. Mend this, then go on with: {again or _again(root)}"
            raise StoppedError(line, FAILED) from error


def _again(root: Path) -> str:
    """The command that goes on with a study or a series."""
    begun = StudyDirectory(root).settings.exists() or StudyDirectory(root).series.exists()
    return f"setsum resume {shlex.quote(str(root))}" if begun else "the same command"


def all_stages(prepared: Prepared, progress: Progress) -> None:
    """Whatever is left of a prepared study."""
    # One Ray for both stages, and none where the search is over.
    address = prepared.settings.resources.address
    with nullcontext() if is_searched(prepared) else start_ray(address):
        search(prepared, progress)
        confirm(prepared, progress)
    if not tested(prepared):
        test(prepared, progress)
    export(prepared)
    with progress.stage("findings", 1) as update:
        write_findings_and_report(prepared.directory.root)
        update(1)
