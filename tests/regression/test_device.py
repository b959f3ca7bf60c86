import math

import pytest

from study.badinput import BadInput
from study.regression.allocator import keep_freed_memory
from study.regression.device import LARGEST_CHUNK, PASS_VOXELS, check_device, suitable_chunk


@pytest.mark.parametrize("side", [4, 10, 16, 32, 48, 50, 64, 128])
def test_a_chunk_fills_a_pass_and_goes_beyond_it_by_less_than_a_scan(side):
    chunk = suitable_chunk((side, side, side), "cpu")
    assert 1 <= chunk <= LARGEST_CHUNK
    assert (chunk - 1) * math.prod((side, side, side)) < PASS_VOXELS["cpu"]


def test_keeping_freed_memory_can_be_asked_for_twice():
    assert keep_freed_memory() is keep_freed_memory()


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cuda:99"])
def test_a_device_that_is_none_is_refused(name):
    with pytest.raises(BadInput, match=r"device|GPUs"):
        check_device(name)
