import pytest
import torch

from study.regression.regressor import BaseRegressor


def test_the_paper_s_parameter_count():
    assert sum(parameter.numel() for parameter in BaseRegressor().parameters()) == 196_418


def test_output_is_one_number_a_scan():
    assert BaseRegressor()(torch.randn(3, 1, 6, 8, 10)).shape == (3,)


def test_a_zero_image_predicts_zero_at_initialisation():
    assert BaseRegressor()(torch.zeros(1, 1, 6, 6, 6)).item() == 0.0


def test_initialisation_is_glorot_uniform_with_zero_biases():
    network = BaseRegressor()
    bound = (6 / (27 * (33 + 64))) ** 0.5
    assert network.conv3.weight.abs().max() <= bound
    assert network.conv3.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)
    assert all(not parameter.any() for name, parameter in network.named_parameters() if name.endswith("bias"))


def test_bfloat16_changes_the_convolutions_only():
    torch.manual_seed(0)
    full, low = BaseRegressor(), BaseRegressor(precision="bfloat16")
    low.load_state_dict(full.state_dict())
    dtypes = {}
    low.conv2.register_forward_hook(lambda _, __, output: dtypes.update(convolution=output.dtype))
    low.linear.register_forward_hook(
        lambda _, inputs, output: dtypes.update(pooled=inputs[0].dtype, linear=output.dtype)
    )
    images = torch.randn(2, 1, 8, 8, 8)
    difference = (full(images) - low(images)).abs().max().item()
    assert dtypes == {"convolution": torch.bfloat16, "pooled": torch.float32, "linear": torch.float32}
    assert 0 < difference < 0.02


def test_dropout_acts_in_training_only():
    network = BaseRegressor(dropout=0.5)
    images = torch.randn(1, 1, 6, 6, 6)
    assert network(images).item() != network(images).item()
    network.eval()
    assert network(images).item() == network(images).item()
