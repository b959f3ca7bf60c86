import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from study.regression.regressor import BaseRegressor
from study.regression.sparse_slope import convolve_for_pooling

MAPS = 32


@pytest.fixture(autouse=True, scope="module")
def without_tiles():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
        yield


def whole(shape, largest, generator):
    """Whole numbers, which float32 multiplies and adds without rounding; float64."""
    return torch.randint(-largest, largest + 1, shape, generator=generator).double()


def slopes(convolve, given, slope, dtype=torch.float64):
    """With respect to maps, weight and bias."""
    given = [tensor.to(dtype).requires_grad_() for tensor in given]
    return torch.autograd.grad(convolve(*given), given, slope.to(dtype))


def dense(maps, weight, bias):
    return functional.conv3d(maps, weight, bias, padding=1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@settings(max_examples=40, deadline=None)
@given(
    # Deep enough for scans of several parts.
    size=st.tuples(st.integers(1, 3), st.integers(1, 26), *[st.integers(1, 9)] * 2),
    kept=st.sampled_from([0.0, 0.125, 1.0]),
    seed=st.integers(0, 1000),
)
def test_slopes_are_those_of_the_dense_convolution(dtype, size, kept, seed):
    generator = torch.Generator().manual_seed(seed)
    shape = (size[0], MAPS, *size[1:])
    tensors = (
        whole(shape, 4, generator),
        whole((MAPS, MAPS, 3, 3, 3), 4, generator),
        torch.zeros(MAPS).double(),
    )
    slope = whole(shape, 4, generator) * (torch.rand(shape, generator=generator) < kept)
    found = slopes(convolve_for_pooling, tensors, slope, dtype)
    for one, other in zip(found, slopes(dense, tensors, slope), strict=True):
        assert one.dtype == dtype
        assert torch.equal(one, other.to(dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_values_are_torchs_and_tensors_may_lie_as_they_like(dtype):
    generator = torch.Generator().manual_seed(0)
    maps, slope = (torch.randn(2, MAPS, 6, 5, 7, generator=generator).to(dtype) for _ in range(2))
    weight = torch.randn(MAPS, MAPS, 3, 3, 3, generator=generator).to(dtype)
    results = []
    for layout in (torch.contiguous_format, torch.channels_last_3d):
        given = [maps.contiguous(memory_format=layout), weight, None]
        assert torch.equal(convolve_for_pooling(*given), dense(*given))
        given = [tensor.detach().requires_grad_() for tensor in given[:2]]
        there = slope.contiguous(memory_format=layout)
        results.append(torch.autograd.grad(convolve_for_pooling(*given, None), given, there))
    assert all(map(torch.equal, *results))


def test_the_number_of_threads_changes_no_bit():
    generator, before = torch.Generator().manual_seed(0), torch.get_num_threads()
    shape = (3, MAPS, 25, 10, 10)
    tensors = [torch.randn(size, generator=generator) for size in (shape, (MAPS, MAPS, 3, 3, 3), (MAPS,))]
    slope = torch.randn(shape, generator=generator) * (torch.rand(shape, generator=generator) < 0.125)
    results = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(slopes(convolve_for_pooling, tensors, slope, torch.float32))
    finally:
        torch.set_num_threads(before)
    # The bias's slope is a sum of torch's.
    assert all(map(torch.equal, results[0][:2], results[1][:2]))


def test_a_nan_is_not_hidden():
    shape = (1, MAPS, 4, 4, 4)
    tensors = torch.ones(shape), torch.ones(MAPS, MAPS, 3, 3, 3), torch.zeros(MAPS)
    slope = torch.zeros(shape)
    slope[0, 5, 1, 2, 3] = float("nan")
    of_maps, of_weight, of_bias = slopes(convolve_for_pooling, tensors, slope, torch.float32)
    assert of_maps[0, :, :3, 1:, 2:].isnan().all()
    assert of_weight[5].isnan().all()
    assert of_bias.isnan().sum() == 1


@pytest.mark.parametrize(
    ("dtype", "has_tiles", "is_sparse"),
    [
        (torch.float32, True, True),
        (torch.bfloat16, False, True),
        (torch.bfloat16, True, False),
        (torch.float64, False, False),
    ],
)
def test_zeros_are_skipped_where_that_is_faster(dtype, has_tiles, is_sparse, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: has_tiles)
    maps = torch.zeros(1, MAPS, 2, 2, 2, dtype=dtype, requires_grad=True)
    result = convolve_for_pooling(maps, torch.zeros(MAPS, MAPS, 3, 3, 3, dtype=dtype), None)
    assert ("_Convolved" in type(result.grad_fn).__name__) == is_sparse


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_the_network_learns_what_it_did(dropout, monkeypatch):
    images = torch.randn(2, 1, 8, 8, 8, generator=torch.Generator().manual_seed(0))

    def gradients(convolve):
        monkeypatch.setattr("study.regression.regressor.convolve_for_pooling", convolve)
        torch.manual_seed(0)
        network = BaseRegressor(dropout=dropout)
        network(images).sum().backward()
        return [parameter.grad for parameter in network.parameters()]

    for one, other in zip(gradients(convolve_for_pooling), gradients(dense), strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-5 * other.abs().max().item())
