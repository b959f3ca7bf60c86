import pytest
import torch
from torch.nn import functional

from study.regression.dropout import slot_streams
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


class AsDrawn(BaseRegressor):
    """The same weights along the arrows of Figure 2: every join is made, then pooled or averaged."""

    def forward(self, images):
        def convolve(x, layer):
            return self.dropout(functional.relu(layer(x)))

        x = convolve(convolve(images, self.conv1), self.conv2)
        pooled = functional.max_pool3d(torch.cat([x, images], dim=1), 2)
        y = convolve(convolve(pooled, self.conv3), self.conv4)
        return self.linear(self.dropout(torch.cat([y, pooled], dim=1).mean(dim=(2, 3, 4)))).squeeze(1)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-5)])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("scans", [1, 2, 5])
def test_values_and_gradients_are_those_of_the_figure_as_drawn(dtype, tolerance, dropout, scans):
    torch.manual_seed(0)
    ours, drawn = BaseRegressor(dropout).to(dtype), AsDrawn(dropout).to(dtype)
    ours.to(memory_format=torch.channels_last_3d)
    drawn.load_state_dict(ours.state_dict())
    images = torch.randn(scans, 1, 9, 8, 7, dtype=dtype)
    found = []
    for network in (ours, drawn):
        network.linear.bias.data += 0.3
        seen = images.clone().requires_grad_()
        with slot_streams(network, range(scans), images.device):
            predictions = network(seen)
        predictions.square().sum().backward()
        found.append([predictions, seen.grad, *(parameter.grad for parameter in network.parameters())])
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, rtol=0, atol=tolerance * other.abs().max().item())


def test_bfloat16_changes_the_convolutions_only(monkeypatch):
    torch.manual_seed(0)
    full, low = BaseRegressor(), BaseRegressor(precision="bfloat16")
    low.load_state_dict(full.state_dict())
    dtypes = {}
    convolve = functional.conv3d

    def watched(*arguments, **options):
        output = convolve(*arguments, **options)
        dtypes.update(convolution=output.dtype)
        return output

    monkeypatch.setattr(functional, "conv3d", watched)
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
