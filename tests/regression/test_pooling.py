import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from study.regression.pooling import from_bits, mean_rectified, pool_rectified, rectified, to_bits


def maps(shape=(2, 3, 4, 6, 2), dtype=torch.bfloat16, seed=1):
    torch.manual_seed(seed)
    return torch.randn(shape).to(dtype=dtype, memory_format=torch.channels_last_3d)


def pooled_by_torch(x):
    pooled = functional.relu(functional.max_pool3d(x, 2))
    return pooled, mean_by_torch(pooled)


def mean_by_torch(x):
    return functional.relu(x).mean(dim=(2, 3, 4), dtype=torch.float32)


@settings(max_examples=30, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 40), *[st.integers(2, 7)] * 3),
    seed=st.integers(0, 1000),
)
def test_values_and_slopes_are_torchs(shape, seed):
    x = maps(shape, seed=seed).requires_grad_()
    (found, means), (expected, expected_means) = pool_rectified(x), pooled_by_torch(x)
    assert torch.equal(found, expected)
    assert torch.allclose(means, expected_means, rtol=1e-6)
    # Whole numbers, which bfloat16 adds without rounding.
    of_maps = torch.randint(-9, 9, found.shape).to(torch.bfloat16)
    of_means = torch.randint(-9, 9, means.shape) * float(found[0, 0].numel())
    (slope,) = torch.autograd.grad((found, means), x, (of_maps, of_means))
    (expected_slope,) = torch.autograd.grad((expected, expected_means), x, (of_maps, of_means))
    assert torch.equal(slope, expected_slope)


@settings(max_examples=30, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 70), *[st.integers(1, 7)] * 3),
    seed=st.integers(0, 1000),
)
def test_the_mean_of_the_rectified_and_its_slope_are_torchs(shape, seed):
    x = maps(shape, seed=seed).requires_grad_()
    means, expected = mean_rectified(x), mean_by_torch(x)
    assert torch.allclose(means, expected, rtol=1e-6)
    of_means = torch.randint(-9, 9, means.shape) * float(x[0, 0].numel())
    (slope,) = torch.autograd.grad(means, x, of_means)
    (expected_slope,) = torch.autograd.grad(expected, x, of_means)
    assert torch.equal(slope, expected_slope)


@pytest.mark.parametrize("used", [0, 1])
def test_a_result_that_is_not_used_has_no_slope(used):
    x = maps().requires_grad_()
    (slope,) = torch.autograd.grad(pool_rectified(x)[used].sum(), x)
    (expected,) = torch.autograd.grad(pooled_by_torch(x)[used].sum(), x)
    assert torch.allclose(slope, expected, rtol=2**-7)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_precision_and_memory_are_those_of_the_maps_and_means_at_least_float32(dtype):
    x = maps(dtype=dtype).requires_grad_()
    pooled, means = pool_rectified(x)
    assert pooled.dtype == dtype
    assert means.dtype == mean_rectified(x).dtype == torch.promote_types(dtype, torch.float32)
    (pooled.sum() + means.sum()).backward()
    for tensor in (pooled, x.grad):
        assert tensor.is_contiguous(memory_format=torch.channels_last_3d)


def test_maps_that_lie_otherwise_in_memory_give_the_same():
    plain = maps().contiguous()
    assert torch.equal(pool_rectified(plain)[0], pool_rectified(maps())[0])
    assert torch.equal(mean_rectified(plain), mean_rectified(maps()))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_nan_is_not_hidden(sign):
    x = maps()
    x[1, 2, 0, 1, 0] = sign * float("nan")
    pooled, means = pool_rectified(x)
    assert pooled.isnan().sum() == means.isnan().sum() == mean_rectified(x).isnan().sum() == 1
    assert pooled[1, 2, 0, 0, 0].isnan()
    assert mean_rectified(x)[1, 2].isnan()


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_changes_nothing_and_stays(threads):
    x, before = maps((3, 32, 16, 16, 16)), torch.get_num_threads()
    expected = pool_rectified(x)
    try:
        torch.set_num_threads(threads)
        found = pool_rectified(x)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert all(map(torch.equal, found, expected))


EVERY_BFLOAT16 = torch.arange(2**16, dtype=torch.int32).to(torch.uint16)


def test_every_bfloat16_number_is_read_and_rectified_as_torch_does_it():
    numbers = EVERY_BFLOAT16.view(torch.bfloat16)
    read = torch.tensor([from_bits(bits) for bits in EVERY_BFLOAT16.numpy()])
    assert torch.equal(read.nan_to_num(nan=-1), numbers.float().nan_to_num(nan=-1))
    clipped = torch.tensor([rectified(bits) for bits in EVERY_BFLOAT16.numpy()], dtype=torch.int32)
    found, expected = clipped.to(torch.uint16).view(torch.bfloat16), numbers.relu()
    assert torch.equal(found.isnan(), expected.isnan())
    assert torch.equal(found.nan_to_num(nan=-1), expected.nan_to_num(nan=-1))


def test_numbers_are_rounded_to_bfloat16_as_torch_does_it():
    anything = np.random.default_rng(0).integers(0, 2**32, 20_000, dtype=np.uint32)
    ties = np.arange(2**12, dtype=np.uint32) << 20 | 0x8000
    numbers = np.concatenate([anything, ties]).view(np.float32)
    bits = torch.tensor([to_bits(number) for number in numbers], dtype=torch.int32)
    found, expected = (
        bits.to(torch.uint16).view(torch.bfloat16),
        torch.from_numpy(numbers).to(torch.bfloat16),
    )
    assert torch.equal(found.isnan(), expected.isnan())
    assert torch.equal(found.nan_to_num(nan=-1), expected.nan_to_num(nan=-1))
