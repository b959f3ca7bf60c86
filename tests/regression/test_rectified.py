import pytest
import torch

from study.regression.rectified import rectify


def maps(dtype=torch.float64):
    torch.manual_seed(1)
    return torch.randn(2, 3, 4, 5, 3, dtype=dtype).to(memory_format=torch.channels_last_3d)


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
