"""A bench on which studies are begun, hurt, resumed and compared with one that was left alone."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import yaml
from optuna.storages.journal import JournalFileBackend, JournalStorage

from study.cohort.phantom import write_phantom
from study.record import StudyDirectory, read_lines

HERE = Path(__file__).parent
SMALL = [
    *("arms=[base, set_sum]", "preprocessing.shape=[8, 8, 8]", "split.test=6", "validation.folds=2"),
    *("budget.trials=6", "training.reports=4", "training.scans_per_step=4", "precision=float32"),
    *("confirm.top=2", "confirm.seeds=1"),
]
PACE = {"quick": 48, "slow": 480}
"""Presentations: enough for a kill in the middle of a file, or in the middle of a trial."""
MEASURED = {"seconds", "peak_memory_mb", "host", "ray_trial"}
"""What no two runs share."""
PATIENCE_S = 300

Damage = Callable[["subprocess.Popen[bytes]", Path], None]


class Bench:
    """A folder with a cohort, one uninterrupted study a kind, and a table of what was survived."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cohort = write_phantom(folder / "cohort", kind="wmh", scans=24, shape=12, seed=5)
        self.references: dict[str, Path] = {}
        self.rows: list[tuple[str, str, str]] = []

    def reference(self, pace: str, fields: tuple[str, ...]) -> Path:
        name = "-".join([pace, *fields])
        if name not in self.references:
            place = self.folder / f"reference-{len(self.references)}"
            end = self.begin(place, pace, fields).wait(PATIENCE_S)
            assert end == 0, self.told(place)
            self.references[name] = place
        return self.references[name]

    def begin(
        self, place: Path, pace: str, fields: tuple[str, ...], fault: str = "none", *flags: str
    ) -> "subprocess.Popen[bytes]":
        given = ["run", "--cohort", str(self.cohort), "--out", str(place), *flags, *SMALL, *fields]
        return self.command(place, fault, *given, f"budget.presentations={PACE[pace]}")

    def command(self, place: Path, fault: str, *arguments: str) -> "subprocess.Popen[bytes]":
        """The setsum command in a process of its own; what it prints goes into a file of the study's name."""
        environment = {
            **os.environ,
            "FAULT": fault,
            "PYTHONPATH": str(HERE.parents[1]),
            "OMP_NUM_THREADS": "1",
        }
        program = [sys.executable, str(HERE / "driver.py"), *arguments]
        with (self.folder / f"{place.name}.log").open("ab") as log:
            return subprocess.Popen(program, env=environment, stdout=log, stderr=log)

    def told(self, place: Path) -> str:
        """The end of what the commands on a study printed."""
        return (self.folder / f"{place.name}.log").read_text()[-500:]

    def survive(
        self,
        kind: str,
        instant: str,
        damage: Damage | None = None,
        *,
        pace: str = "quick",
        fields: tuple[str, ...] = ("resources.cpus_per_trial=1.5",),
        fault: str = "none",
        expected: tuple[int, ...] = (-signal.SIGKILL,),
        flags: tuple[str, ...] = (),
        folder: Path | None = None,
        mend: Callable[[], object] = lambda: None,
    ) -> None:
        """Begin, damage, mend and resume unless the study went through, compare; a row of the table."""
        reference = self.reference(pace, fields)
        place = (folder or self.folder) / f"study-{len(self.rows):02d}"
        process = self.begin(place, pace, fields, fault, *flags)
        try:
            if damage:
                damage(process, place)
            code = process.wait(PATIENCE_S)
            mend()
            done = completed(place)
            if code not in expected:
                raise AssertionError(f"ended with {code}: {self.told(place)}")
            if code > 0:
                assert "Traceback" not in (self.folder / f"{place.name}.log").read_text(), self.told(place)
            if code != 0:
                self.resume(place, pace, fields)
            compare(place, reference, done)
            outcome = "the same"
        except Exception as error:
            # A table with a hole says more than no table.
            outcome = f"FAILED: {type(error).__name__}: {str(error)[:400]}"
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        self.rows.append((kind, instant, outcome))
        print(f"{len(self.rows):3d}  {kind:8s} {instant:55s} {outcome}", flush=True)
        if outcome == "the same":
            shutil.rmtree(place)

    def resume(self, place: Path, pace: str, fields: tuple[str, ...]) -> None:
        # Killed before the study file was there: the same command again goes on.
        again = (
            self.command(place, "none", "resume", str(place))
            if (place / "study.yaml").exists()
            else self.begin(place, pace, fields)
        )
        code = again.wait(PATIENCE_S)
        assert code == 0, f"resume ended with {code}: {self.told(place)}"


def completed(place: Path) -> Counter[tuple[str, int]]:
    """How often each trial has been recorded as completed."""
    rows = [
        (path.parts[-3], row["trial"])
        for path in place.glob("sweeps/*/run-*/results.jsonl")
        for row in read_lines(path)
        if row.get("status") == "completed"
    ]
    return Counter(rows)


def compare(place: Path, reference: Path, done: Counter[tuple[str, int]]) -> None:
    """The study is the reference, bit for bit, and every file in it can be read."""
    for name in ("trials", "curves", "oof", "confirmed", "predictions"):
        ours, theirs = (
            pd.read_parquet(root / f"{name}.parquet").drop(columns=MEASURED, errors="ignore")
            for root in (place, reference)
        )
        key = [column for column in ("stage", "cohort", "arm", "trial", "seed", "report") if column in ours]
        ours, theirs = (t.sort_values(key, kind="stable", ignore_index=True) for t in (ours, theirs))
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True, obj=name)
    for weights in sorted(reference.glob("export/*/model.safetensors")):
        again = place / weights.relative_to(reference)
        assert again.read_bytes() == weights.read_bytes(), f"other weights in {again}"
    twice = [trial for trial, count in completed(place).items() if count > 1]
    assert not twice, f"completed twice: {twice}"
    assert done.keys() <= completed(place).keys()
    assert len(read_lines(place / "test_log.jsonl")) >= 1
    readable(place)
    for arm in ("base", "set_sum"):
        storage = JournalStorage(JournalFileBackend(str(StudyDirectory(place).journal)))
        states = {trial.state.name for trial in optuna.load_study(study_name=arm, storage=storage).trials}
        assert states == {"COMPLETE"}, f"{arm} holds {states}"


def readable(place: Path) -> None:
    """No file is half there; what lies in a run's folder besides its results is Ray's."""
    for path in place.rglob("*"):
        assert not path.name.endswith(".part"), f"left over: {path}"
        if any(part.startswith("run-") for part in path.parts):
            continue
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".yaml":
            yaml.safe_load(path.read_text())
        elif path.suffix == ".parquet":
            pd.read_parquet(path)
        elif path.suffix == ".npy":
            np.load(path, mmap_mode="r")


def wait_until(process: "subprocess.Popen[bytes]", found: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not found():
        assert process.poll() is None, f"it ended before it could be hurt, with {process.poll()}"
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def lines(place: Path, arm: str) -> int:
    return sum(len(read_lines(path)) for path in place.glob(f"sweeps/{arm}/run-*/results.jsonl"))
