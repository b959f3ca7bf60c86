import pytest
import torch

from study.regression.rectified import rectify, relu, relu_slope


def maps(dtype=torch.float64):
    torch.manual_seed(1)
    return torch.randn(2, 3, 4, 5, 3, dtype=dtype).to(memory_format=torch.channels_last_3d)


EVERY_BFLOAT16 = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(torch.bfloat16)


@pytest.mark.parametrize("in_place", [True, False])
def test_every_bfloat16_number_is_clipped_as_torch_does_it(in_place):
    given = EVERY_BFLOAT16.clone()
    found = relu(given, given if in_place else torch.empty_like(given))
    assert (found is given) == in_place
    assert found.isnan().equal(EVERY_BFLOAT16.isnan())
    assert found.nan_to_num(nan=-1).equal(EVERY_BFLOAT16.relu().nan_to_num(nan=-1))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_a_slope_passes_where_the_maps_are_positive(dtype):
    maps = EVERY_BFLOAT16[~EVERY_BFLOAT16.isnan()].relu().to(dtype)
    slope = torch.linspace(-3, 3, len(maps)).to(dtype)
    expected = torch.where(maps > 0, slope, 0)
    assert relu_slope(slope, maps, torch.empty_like(maps)).equal(expected)
    assert relu_slope(slope, maps, slope) is slope
    assert slope.equal(expected)


def test_it_is_relu_and_its_means():
    found, means = rectify(maps())
    assert torch.equal(found, maps().relu())
    assert torch.allclose(means, maps().relu().mean(dim=(2, 3, 4)), atol=1e-15)


@pytest.mark.parametrize("used", [(0,), (1,), (0, 1)])
def test_its_gradients_are_those_of_finite_differences(used):
    assert torch.autograd.gradcheck(
        lambda x: tuple(rectify(x)[which] for which in used), maps().requires_grad_()
    )


def test_a_slope_lies_in_memory_as_the_maps_do():
    x = maps().requires_grad_()
    rectify(x)[1].sum().backward()
    assert x.grad.is_contiguous(memory_format=torch.channels_last_3d)


def test_means_of_bfloat16_maps_are_float32():
    found, means = rectify(maps(torch.bfloat16))
    assert (found.dtype, means.dtype) == (torch.bfloat16, torch.float32)
    assert torch.equal(means, maps(torch.bfloat16).relu().float().mean(dim=(2, 3, 4)))
