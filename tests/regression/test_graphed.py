import copy

import numpy as np
import pytest
import torch

from study.regression.config import TrialConfig
from study.regression.graphed import Graphed, is_worth_it
from study.regression.objective import backward_slots
from study.regression.regressor import BaseRegressor
from study.regression.training import NetworkTraining

SHAPE = (6, 7, 8)


class Replay(torch.autograd.Function):
    """As torch replays a graph: inputs are copied in, results and gradients always lie at the same place."""

    @staticmethod
    def forward(ctx, recorded, images, *parameters):
        recorded.images.copy_(images)
        recorded.predictions.copy_(recorded.network(recorded.images))
        ctx.recorded = recorded
        return recorded.predictions.detach()

    @staticmethod
    def backward(ctx, slope):
        recorded = ctx.recorded
        with torch.enable_grad():
            predictions = recorded.network(recorded.images)
        found = torch.autograd.grad(predictions, list(recorded.network.parameters()), slope)
        for place, gradient in zip(recorded.gradients, found, strict=True):
            place.copy_(gradient)
        return None, None, *(place.detach() for place in recorded.gradients)


class Recorded:
    """Stands for a pair of CUDA graphs on a machine without a GPU."""

    def __init__(self, network, sample):
        self.network, self.images = network, sample.clone()
        self.parameters = list(network.parameters())
        self.predictions = torch.empty(len(sample))
        self.gradients = [torch.empty_like(parameter) for parameter in self.parameters]

    def __call__(self, images):
        assert images.shape == self.images.shape
        return Replay.apply(self, images, *self.parameters)


def network():
    torch.manual_seed(0)
    return BaseRegressor().train()


def gradients(model, present, chunk):
    """Of one step on the sets of a table of slots; and the loss."""
    torch.manual_seed(1)
    images = torch.randn(present.size, 1, *SHAPE)
    done = backward_slots(
        model,
        lambda slots: images[slots],
        torch.arange(float(present.size)).view(present.shape),
        present,
        loss="mse",
        execution="streamed",
        chunk=chunk,
    )
    return done.loss, [parameter.grad.clone() for parameter in model.parameters()]


# Sets that fit a pass together, singly, and not at all; blanks leave numbers that are no power of two.
@pytest.mark.parametrize("chunk", [16, 6, 3, 1])
def test_a_step_replayed_is_a_step(chunk):
    present = np.random.default_rng(0).random((3, 6)) < 0.7
    loss, expected = gradients(network(), present, chunk)
    graphed = Graphed(network(), record=Recorded)
    for _ in range(2):
        graphed.zero_grad()
        found_loss, found = gradients(graphed, present, chunk)
        assert found_loss == pytest.approx(loss, rel=1e-5)
        for one, other in zip(found, expected, strict=True):
            assert torch.allclose(one, other, atol=1e-5 * other.abs().max().item())
    assert graphed.passes.keys() <= {1, 2, 4, 8, 16}


def test_weights_stay_those_of_the_network_and_change_what_is_replayed():
    model = network()
    graphed = Graphed(model, record=Recorded)
    images = torch.randn(3, 1, *SHAPE)
    graphed(images)
    assert [*graphed.parameters()] == [*model.parameters()]
    with torch.no_grad():
        model.linear.bias += 2
    assert torch.allclose(graphed(images), model(images))


def test_what_cannot_be_recorded_is_run_as_ever_with_a_warning():
    def refuse(module, sample):
        raise RuntimeError("operation not permitted when stream is capturing")

    model, images = network(), torch.randn(3, 1, *SHAPE)
    graphed = Graphed(model, record=refuse)
    with pytest.warns(UserWarning, match="cannot be recorded: operation not permitted"):
        predictions = graphed(images)
    assert torch.allclose(predictions, model(images))


def test_running_out_of_memory_while_recording_halves_the_chunk():
    def record(module, sample):
        if len(sample) > 2:
            raise torch.OutOfMemoryError("injected")
        return Recorded(module, sample)

    graphed = Graphed(network(), record=record)
    present = np.ones((1, 8), dtype=bool)
    _, found = gradients(graphed, present, 8)
    _, expected = gradients(network(), present, 2)
    assert graphed.passes.keys() == {2}
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-5 * other.abs().max().item())


def test_only_small_scans_of_the_base_network_on_a_gpu_without_dropout():
    config = TrialConfig(n=1)
    assert is_worth_it("cuda", (32, 32, 32), config)
    assert is_worth_it("cuda:1", (10, 10, 10), config)
    assert not is_worth_it("cuda", (32, 32, 33), config)
    assert not is_worth_it("cuda", (10, 10, 10), config.model_copy(update={"dropout": 0.1}))
    assert not is_worth_it("cuda", (10, 10, 10), config.model_copy(update={"regressor": "own:Network"}))
    assert not is_worth_it("cpu", (10, 10, 10), config)


def test_a_training_that_is_replayed_is_a_training():
    config = TrialConfig(n=2, p=0.3, presentations=40, scans_per_step=8)
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(9, *SHAPE)).astype(np.float32), rng.poisson(5, 9).astype(float)

    def trained(replayed):
        training = NetworkTraining(config, images, labels, seeds=np.random.SeedSequence(0))
        if replayed:
            training.passing = Graphed(training.network, record=Recorded)
        training.advance(20)
        again = NetworkTraining(config, images, labels, seeds=np.random.SeedSequence(0))
        again.load_state_dict(copy.deepcopy(training.state_dict()))
        training.advance(40)
        again.advance(40)
        return [
            torch.cat([parameter.flatten() for parameter in each.averaged.parameters()])
            for each in (training, again)
        ]

    plain, resumed = trained(False)
    replayed, resumed_from_it = trained(True)
    assert torch.equal(plain, resumed)
    assert torch.allclose(replayed, plain, atol=1e-3 * plain.abs().max().item())
    assert torch.allclose(resumed_from_it, plain, atol=1e-3 * plain.abs().max().item())
