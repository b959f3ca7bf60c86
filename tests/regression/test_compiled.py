"""Compiled loops where there is nowhere to keep them, and beside each other."""

import ast
import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

import study
from study.regression.pooling import mean_rectified

POOL = """
import torch
from study.regression.pooling import mean_rectified
print(mean_rectified(torch.ones(1, 2, 2, 2, 2, dtype=torch.bfloat16)).tolist())
"""


def run(code, **environment):
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code)]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True)
    return done.stdout


def test_they_run_where_no_folder_can_be_written():
    assert run(POOL, NUMBA_CACHE_LOCATOR_CLASSES="ZipCacheLocator") == "[[1.0, 1.0]]\n"


def test_they_run_where_the_disk_is_full(tmp_path):
    full = """
    import errno
    from numba.core import caching
    refused = []
    def save(self, signature, data):
        refused.append(signature)
        raise OSError(errno.ENOSPC, "No space left on device")
    caching.Cache.save_overload = save
    """
    code = textwrap.dedent(full) + POOL + "assert len(refused) == 1"
    assert run(code, NUMBA_CACHE_DIR=str(tmp_path)) == "[[1.0, 1.0]]\n"


def test_a_second_process_finds_them_compiled(tmp_path):
    run(POOL, NUMBA_CACHE_DIR=str(tmp_path))
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb*")}
    assert kept
    run(POOL, NUMBA_CACHE_DIR=str(tmp_path))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb*")} == kept


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_torch_keeps_its_number_of_threads(threads):
    code = f"import torch; torch.set_num_threads({threads}){POOL}print(torch.get_num_threads())"
    assert run(code).splitlines()[-1] == str(threads)


def test_two_threads_may_call_at_once():
    maps = torch.randn(8, 32, 8, 8, 8).to(torch.bfloat16)
    expected = mean_rectified(maps)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: mean_rectified(maps), range(50)))
    assert all(torch.equal(one, expected) for one in found)


def compiled_functions(tree):
    decorated = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    for function in decorated:
        if {ast.unparse(each) for each in function.decorator_list} & {"in_parallel", "within_loops"}:
            yield function


def test_what_is_compiled_uses_nothing_of_ours_from_another_file():
    """It would go on as it was when that file changes."""
    found = 0
    for path in Path(study.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text())
        imported = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("study")
            for alias in node.names
        }
        for function in compiled_functions(tree):
            found += 1
            body = {
                node.id for part in function.body for node in ast.walk(part) if isinstance(node, ast.Name)
            }
            assert not body & imported, f"{path.name}: {function.name}"
    assert found > 5
