import pytest
import torch
from torch.nn import functional

from study.regression.single_map import convolve_single_map


def data(dtype=torch.float64, maps=5):
    torch.manual_seed(1)
    images = torch.randn(2, 1, 4, 5, 3, dtype=dtype)
    onto = torch.randn(2, maps, 4, 5, 3, dtype=dtype)
    weight, bias = torch.randn(maps, 1, 3, 3, 3, dtype=dtype), torch.randn(maps, dtype=dtype)
    return images, weight, bias, onto


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("with_onto", [True, False])
def test_it_is_relu_of_the_convolution(with_bias, with_onto):
    images, weight, bias, onto = data()
    bias, onto = bias if with_bias else None, onto if with_onto else None
    expected = functional.relu(
        functional.conv3d(images, weight, bias, padding=1) + (0 if onto is None else onto)
    )
    found = convolve_single_map(images, weight, bias, None if onto is None else onto.clone())
    assert torch.allclose(found, expected, rtol=0, atol=1e-12)
    assert found.is_contiguous(memory_format=torch.channels_last_3d)


def test_its_gradients_are_those_of_finite_differences():
    tensors = [tensor.requires_grad_() for tensor in data(maps=2)]
    assert torch.autograd.gradcheck(
        lambda images, weight, bias, onto: convolve_single_map(images, weight, bias, onto.clone()), tensors
    )


def test_single_precision_agrees_with_torch_s_own_convolution():
    images, weight, bias, _ = data(torch.float32)
    expected = functional.relu(functional.conv3d(images, weight, bias, padding=1))
    assert torch.allclose(convolve_single_map(images, weight, bias), expected, atol=1e-5)
