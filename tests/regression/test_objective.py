import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from study.badinput import BadInput
from study.regression.objective import set_sum_backward
from study.regression.regressor import BaseRegressor


def small_network(dropout=0.0):
    torch.manual_seed(1)
    network = BaseRegressor(dropout).double()
    for parameter in network.parameters():
        if parameter.ndim == 1:
            nn.init.uniform_(parameter, -0.1, 0.1)
    return network


def batch(sets, n, seed, duplicates, blanks):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(sets, n, 4, 4, 4, generator=generator, dtype=torch.float64)
    labels = torch.rand(sets, n, generator=generator, dtype=torch.float64) * 3
    if duplicates and n > 1:
        images[:, 1], labels[:, 1] = images[:, 0], labels[:, 0]
    present = torch.rand(sets, n, generator=generator) >= blanks
    return images * present[..., None, None, None], labels * present, present


def gradient(network, *arguments, **options):
    network.zero_grad(set_to_none=True)
    loss = set_sum_backward(network, *arguments, **options)
    parts = [
        torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        for parameter in network.parameters()
    ]
    return loss, torch.cat([part.ravel() for part in parts])


def by_definition(network, images, labels, present, loss, blank):
    """Equation 1 written down as it stands: every branch, its own sum, the average over sets."""
    network.zero_grad(set_to_none=True)
    total = torch.zeros(())
    for image, label, there in zip(images, labels, present, strict=True):
        branches = network(image.unsqueeze(1))
        if blank == "mask":
            branches = branches * there
        error = branches.sum() - label.sum()
        total = total + (error**2 if loss == "mse" else error.abs()) / len(images)
    total.backward()
    return total.item(), torch.cat([parameter.grad.ravel() for parameter in network.parameters()])


@settings(max_examples=40, deadline=None)
@given(
    sets=st.integers(1, 4),
    n=st.integers(1, 6),
    chunk=st.integers(1, 9),
    loss=st.sampled_from(["mse", "mae"]),
    blank=st.sampled_from(["mask", "image"]),
    blanks=st.sampled_from([0.0, 0.3, 1.0]),
    duplicates=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_both_executions_follow_the_definition(sets, n, chunk, loss, blank, blanks, duplicates, seed):
    network = small_network()
    data = batch(sets, n, seed, duplicates, blanks)
    expected_loss, expected = by_definition(network, *data, loss, blank)
    for execution in ("replicated", "streamed"):
        value, found = gradient(network, *data, loss=loss, execution=execution, chunk=chunk, blank=blank)
        assert value == pytest.approx(expected_loss, rel=1e-4, abs=1e-6)
        # Sums and losses are float32 by contract.
        assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4 * (1 + expected.abs().max().item()))


@settings(max_examples=15, deadline=None)
@given(n=st.integers(1, 5), chunk=st.integers(1, 7), seed=st.integers(0, 1000))
def test_dropout_does_not_depend_on_the_execution(n, chunk, seed):
    network = small_network(dropout=0.4).train()
    data = batch(2, n, seed, False, 0.2)
    seeds = list(range(seed, seed + 2 * n))
    _, whole = gradient(network, *data, execution="replicated", slot_seeds=seeds)
    _, pieces = gradient(network, *data, execution="streamed", chunk=chunk, slot_seeds=seeds)
    assert torch.allclose(whole, pieces, rtol=1e-4, atol=1e-5)
    _, others = gradient(network, *data, slot_seeds=[value + 10_000 for value in seeds])
    assert not data[2].any() or not torch.allclose(whole, others)


def test_plain_mini_batch_training_is_n_1_p_0_bit_for_bit():
    torch.manual_seed(0)
    ours, plain = BaseRegressor(), BaseRegressor()
    plain.load_state_dict(ours.state_dict())
    images, labels = torch.randn(4, 1, 6, 6, 6), torch.rand(4)
    optimisers = [torch.optim.Adam(network.parameters()) for network in (ours, plain)]
    for _ in range(5):
        optimisers[0].zero_grad()
        loss = set_sum_backward(
            ours, images, labels[:, None], torch.ones(4, 1, dtype=torch.bool), execution="streamed", chunk=8
        )
        optimisers[0].step()
        optimisers[1].zero_grad()
        expected = nn.functional.mse_loss(plain(images), labels)
        expected.backward()
        optimisers[1].step()
        assert loss == expected.item()
    for left, right in zip(ours.parameters(), plain.parameters(), strict=True):
        assert torch.equal(left, right)


def test_gradients_are_added_to_those_already_there():
    network = small_network()
    data = batch(2, 3, 0, False, 0.0)
    _, once = gradient(network, *data)
    set_sum_backward(network, *data, execution="streamed", chunk=2)
    twice = torch.cat([parameter.grad.ravel() for parameter in network.parameters()])
    assert torch.allclose(twice, 2 * once, rtol=1e-4, atol=1e-5)


def impossible_tensor():
    torch.empty(2**62, dtype=torch.uint8)


def python_memory():
    raise MemoryError


def gpu_memory():
    raise torch.OutOfMemoryError("CUDA out of memory")


@pytest.mark.parametrize("exhaust", [impossible_tensor, python_memory, gpu_memory])
def test_out_of_memory_halves_the_chunk_with_the_same_result(exhaust):
    class Tight(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner, self.batches = inner, []

        def forward(self, images):
            if len(images) > 2:
                exhaust()
            self.batches.append(len(images))
            return self.inner(images)

    network = small_network()
    data = batch(2, 8, 3, False, 0.1)
    _, expected = gradient(network, *data)
    tight = Tight(network)
    _, found = gradient(tight, *data, execution="streamed", chunk=8)
    assert max(tight.batches) == 2
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())


def test_memory_is_constant_in_n_when_streamed():
    held = []

    class Watched(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(()))

        def forward(self, images):
            held.append(len(images))
            return self.weight * images.flatten(1).sum(1)

    for n in (4, 64):
        data = batch(1, n, 0, False, 0.0)
        set_sum_backward(Watched(), *data, execution="streamed", chunk=4)
    assert max(held) == 4


def test_batch_normalisation_is_refused_by_name():
    network = nn.Sequential(nn.BatchNorm3d(1), nn.Flatten(), nn.Linear(64, 1), nn.Flatten(0))
    with pytest.raises(BadInput, match="`0` \\(BatchNorm3d\\)"):
        set_sum_backward(network, *batch(1, 2, 0, False, 0.0), execution="streamed")


def test_shapes_that_disagree_are_refused():
    images, labels, present = batch(2, 3, 0, False, 0.0)
    with pytest.raises(BadInput, match=r"\(2, 2\)"):
        set_sum_backward(small_network(), images, labels[:, :2], present)


@settings(max_examples=30, deadline=None)
@given(
    errors=st.lists(st.integers(-5, 5), min_size=4, max_size=6),
    n=st.integers(1, 3),
    replacement=st.booleans(),
    p=st.sampled_from([0.0, 0.25]),
)
def test_the_expected_objective_is_mse_plus_a_penalty_on_the_mean_error(errors, n, replacement, p):
    """method: E[L] / (n q) = MSE + (n - 1) q C, by simulation of the sets against the formula."""
    from itertools import permutations, product

    m, q = len(errors), 1 - p
    if m % n:
        return
    slots = product(range(m), repeat=n) if replacement else permutations(range(m), n)
    kept = np.array([[sum(pattern), *pattern] for pattern in product([0, 1], repeat=n)])
    weights = q ** kept[:, 0] * p ** (n - kept[:, 0])
    values = np.array(errors, dtype=float)
    losses = [weights @ ((kept[:, 1:] @ values[list(choice)]) ** 2) for choice in slots]
    mse, mean = (values**2).mean(), values.mean()
    coupling = mean**2 if replacement else (m * mean**2 - mse) / (m - 1)
    assert np.mean(losses) / (n * q) == pytest.approx(mse + (n - 1) * q * coupling)
