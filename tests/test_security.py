"""Nothing a user gave is ever run: shown on the source, and with files that try."""

import ast
import os
import pickle
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from study.badinput import BadInput
from study.cohort.arrays import build_arrays, open_arrays
from study.cohort.phantom import write_phantom
from study.cohort.preprocess import Preprocessing
from study.cohort.scans import read_cohort
from study.pipeline.predict import predict_scans
from study.regression.config import TrialConfig
from study.regression.model import load_networks
from study.settings import read_settings
from study.sweep.confirm_job import _taken_up
from study.sweep.spaces import read_space
from study.sweep.trainable import newest_state

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*ROOT.glob("study/**/*.py"), *ROOT.glob("analysis/**/*.py")])
NEVER = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen"),
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.load", "marshal.loads", "shelve.open"),
    *("cloudpickle.load", "cloudpickle.loads", "joblib.load", "dill.load", "dill.loads"),
    *("pandas.read_pickle", "pd.read_pickle", "yaml.unsafe_load", "yaml.full_load", "yaml.load_all"),
    *("tune.Tuner.restore", "Tuner.restore"),
}
CONSENTED = {ROOT / "study" / "regression" / "named.py": {"exec", "compile"}}
"""The network that a user names to be run; tests/pipeline/test_own_regressor.py holds who may name one."""


def calls(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}


def safe_loaders(path):
    """Names of the loaders that a file derives from PyYAML's safe one."""
    tree = ast.parse(path.read_text())
    derived = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and [ast.unparse(base) for base in node.bases] == ["yaml.SafeLoader"]
    }
    return derived | {"yaml.SafeLoader", "yaml.CSafeLoader"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_call_runs_what_it_reads(path):
    for name, words in calls(path):
        assert name not in NEVER - CONSENTED.get(path, set()), name
        assert words.get("shell", "False") == "False", name
        assert words.get("allow_pickle", "False") == "False", name
        if name == "torch.load":
            assert words["weights_only"] == "True"
        if name == "yaml.load":
            assert words["Loader"] in safe_loaders(path)
        assert name not in ("np.load", "numpy.load"), "it opens archives too: np.lib.format.open_memmap"
    imported = {
        alias.name.partition(".")[0]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    assert not imported & {"marshal", "shelve", "dill", "joblib", "cloudpickle"}


def test_every_exception_to_the_security_rules_gives_its_reason():
    for path in [*SOURCES, *ROOT.glob("tests/**/*.py")]:
        bare = re.findall(r"# noqa: S\d+(?:, \w+)*(?! - \S)\s*$", path.read_text(), re.MULTILINE)
        assert not bare, path


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


@pytest.fixture
def bomb(tmp_path):
    bomb = Bomb(tmp_path / "exploded")
    pickle.loads(pickle.dumps(bomb))
    assert bomb.trace.exists(), "a bomb that works"
    bomb.trace.rmdir()
    yield bomb
    assert not bomb.trace.exists()


def as_pickle(path, bomb):
    path.write_bytes(pickle.dumps(bomb))


def as_torch(path, bomb):
    torch.save({"key": "k", "training": bomb}, path)


def as_old_torch(path, bomb):
    torch.save({"key": "k", "training": bomb}, path, _use_new_zipfile_serialization=False)


def as_numpy(path, bomb):
    with path.open("wb") as stream:
        np.save(stream, np.array([bomb], dtype=object), allow_pickle=True)


@pytest.mark.parametrize("write", [as_pickle, as_torch, as_old_torch, as_numpy])
def test_a_bomb_in_a_checkpoint_is_passed_over(tmp_path, bomb, write):
    checkpoint = tmp_path / "run-0001" / "trial-00003" / "checkpoint_000000"
    checkpoint.mkdir(parents=True)
    write(checkpoint / "state.pt", bomb)
    assert newest_state(tmp_path, 3, "k") is None
    assert _taken_up(SimpleNamespace(place=str(checkpoint)), None, None) == []


@pytest.mark.parametrize("write", [as_pickle, as_torch, as_old_torch, as_numpy])
def test_a_bomb_for_weights_is_refused(tmp_path, bomb, write):
    write(tmp_path / "model.safetensors", bomb)
    with pytest.raises(BadInput, match="not weights"):
        load_networks(tmp_path / "model.safetensors", TrialConfig())
    with pytest.raises(BadInput):
        predict_scans(tmp_path, [tmp_path / "scan.nii.gz"], [], None)


@pytest.mark.parametrize("write", [as_pickle, as_torch, as_numpy])
def test_a_bomb_for_a_cohort_is_refused(tmp_path, bomb, write):
    cohort = read_cohort(write_phantom(tmp_path / "scans", kind="wmh", scans=3, shape=8, seed=0))
    build_arrays(cohort, Preprocessing(shape=(8, 8, 8)), tmp_path / "built")
    write(tmp_path / "built" / "images.npy", bomb)
    with pytest.raises(BadInput, match="damaged"):
        open_arrays(tmp_path / "built")


@pytest.mark.parametrize("text", ["!!python/object/apply:os.mkdir [{trace}]", "!!python/name:os.system"])
def test_yaml_makes_no_objects(tmp_path, bomb, text):
    file = tmp_path / "file.yaml"
    file.write_text(f"format: 1\nscientific: {text.format(trace=bomb.trace)}\n")
    for read in (read_settings, read_space):
        with pytest.raises(BadInput):
            read(file)
