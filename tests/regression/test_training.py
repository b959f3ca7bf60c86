import io

import numpy as np
import pytest
import torch
from torch import nn

from study.regression.config import TrialConfig
from study.regression.optimiser import learning_rate, make_optimiser
from study.regression.prediction import draw_views, predict
from study.regression.regressor import BaseRegressor
from study.regression.training import DivergedError, NetworkTraining

M = 6


def data(seed=0, m=M):
    generator = np.random.default_rng(seed)
    return generator.standard_normal((m, 6, 6, 6)).astype(np.float32), generator.uniform(1, 9, m)


def training(seed=0, **fields):
    images, labels = data()
    config = TrialConfig(**{"presentations": 60, "reports": 3, **fields})
    return NetworkTraining(config, images, labels, seeds=np.random.SeedSequence([seed]))


def weights(trained):
    return torch.cat([parameter.detach().ravel() for parameter in trained.network.parameters()])


ARMS = [
    {},
    {"n": 3, "p": 0.2},
    {"n": 3, "p": 0.2, "blank": "image", "bias_at_mean": False},
    {"n": 8, "replacement": True},
    {"n": 4, "dropout": 0.3, "p": 0.1},
    {"objective": "mixup"},
    {"objective": "mixup", "mixup_bandwidth": 0.5},
    {"objective": "bias_penalty", "bias_weight": 2.0},
    {"loss": "mae", "optimiser": "adamw", "weight_decay": 0.01, "schedule": "cosine"},
    {"optimiser": "adadelta", "learning_rate": 1.0, "averaging": 0.0},
    {"precision": "bfloat16"},
]


@pytest.mark.parametrize("fields", ARMS, ids=str)
def test_interrupted_equals_never_interrupted(fields):
    whole, first, second = (training(**fields) for _ in range(3))
    whole.advance(20)
    whole.advance(40)
    first.advance(20)
    stream = io.BytesIO()
    torch.save(first.state_dict(), stream)
    stream.seek(0)
    second.load_state_dict(torch.load(stream, weights_only=True))
    second.advance(40)
    assert torch.equal(weights(whole), weights(second))
    assert whole.presentations == second.presentations


@pytest.mark.parametrize("fields", ARMS, ids=str)
def test_same_seed_same_network_and_another_seed_another(fields):
    first, second, other = training(0, **fields), training(0, **fields), training(1, **fields)
    for each in (first, second, other):
        torch.manual_seed(np.random.default_rng().integers(1000))
        each.advance(20)
    assert torch.equal(weights(first), weights(second))
    assert not torch.equal(weights(first), weights(other))


def test_a_training_leaves_torch_s_own_randomness_alone():
    before = torch.random.get_rng_state()
    training(n=2, dropout=0.5).advance(20)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(
    "fields", [{"n": 4, "p": 0.3}, {"n": 4, "dropout": 0.4}, {"n": 3, "loss": "mae"}], ids=str
)
def test_execution_and_chunk_do_not_change_what_is_learned(fields):
    trained = [
        training(**fields, **execution)
        for execution in ({"execution": "replicated"}, {"execution": "streamed", "chunk": 1}, {"chunk": 3})
    ]
    for each in trained:
        # Adadelta's and Adam's early steps amplify rounding of near-zero gradients; SGD does not.
        each.optimiser = torch.optim.SGD(each.network.parameters(), lr=1e-3)
        each.advance(30)
    for other in trained[1:]:
        assert torch.allclose(weights(trained[0]), weights(other), atol=1e-5)


def test_blanks_are_no_presentations():
    trained = training(n=2, p=0.5)
    trained.advance(30)
    assert 30 <= trained.presentations < 30 + 4
    assert trained.steps > 30 / 4


class Tight(BaseRegressor):
    """Room for no more than two scans at once."""

    def forward(self, images):
        if len(images) > 2:
            raise MemoryError
        return super().forward(images)


def test_a_chunk_halved_for_want_of_memory_stays_so_and_is_saved():
    trained, resumed = (training(n=4, chunk=8) for _ in range(2))
    trained.network.__class__ = Tight
    trained.advance(8)
    assert trained.chunk == 2
    resumed.load_state_dict(trained.state_dict())
    assert resumed.chunk == 2


def test_predicting_goes_on_with_fewer_scans_where_memory_is_short():
    trained = training(chunk=8)
    trained.advance(8)
    images, _ = data()
    views = draw_views(trained.config, 0)
    roomy = predict(trained.predictor(), images, views, config=trained.config)
    trained.averaged.__class__ = Tight
    assert np.allclose(predict(trained.predictor(), images, views, config=trained.config), roomy, rtol=1e-5)


def test_n_1_p_0_is_plain_mini_batch_training_bit_for_bit():
    """The whole loop against one written plainly: same order, same augmentation, one loss a batch."""
    from study.regression.augmentation import apply_transforms, draw_transforms

    images, labels = data()
    trained = training(averaging=0.0)
    trained.advance(12)
    seeds = np.random.SeedSequence([0]).spawn(5)
    torch.manual_seed(int(seeds[0].generate_state(1)[0]))
    network = BaseRegressor().to(memory_format=torch.channels_last_3d)
    targets = torch.from_numpy(labels / np.std(labels)).float()
    nn.init.constant_(network.linear.bias, float(targets.mean()))
    order, moves = np.random.default_rng(seeds[1]), np.random.default_rng(seeds[2])
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    for _ in range(2):
        permutation = order.permutation(M)
        order.random(M)
        for batch in (permutation[:4], permutation[4:]):
            transforms = draw_transforms(
                len(batch), flips=True, rotation=0.2, translation=2.0, generator=moves
            )
            moved = apply_transforms(torch.from_numpy(images[batch]), transforms)
            optimiser.zero_grad()
            nn.functional.mse_loss(network(moved.unsqueeze(1)), targets[batch]).backward()
            optimiser.step()
    plain = torch.cat([parameter.detach().ravel() for parameter in network.parameters()])
    assert torch.equal(weights(trained), plain)


def test_bias_starts_at_the_training_fold_s_mean_label():
    _, labels = data()
    trained = training()
    assert trained.network.output_bias.item() == pytest.approx(labels.mean() / labels.std())
    predicted = trained.predictor()(torch.zeros(1, 1, 6, 6, 6)).item()
    assert predicted == pytest.approx(labels.mean(), rel=1e-5)
    assert training(blank="image").network.output_bias.item() == 0


def test_bias_penalty_without_weight_is_plain_training():
    plain, penalised = training(), training(objective="bias_penalty", bias_weight=0.0)
    for each in (plain, penalised):
        each.advance(20)
    assert torch.allclose(weights(plain), weights(penalised), atol=1e-6)


def test_bias_penalty_gradient_is_the_whole_fold_s_when_the_batch_is_the_fold():
    from study.regression.bias_penalty import bias_penalty_backward

    images, labels = (torch.from_numpy(array).float() for array in data())
    torch.manual_seed(0)
    network = BaseRegressor()
    bank = torch.full((M,), float("nan"))
    value = bias_penalty_backward(network, images.unsqueeze(1), labels, bank, torch.arange(M), 3.0)
    found = torch.cat([parameter.grad.ravel() for parameter in network.parameters()])
    network.zero_grad()
    errors = network(images.unsqueeze(1)) - labels
    expected_value = errors.square().mean() + 3.0 * errors.mean().square()
    expected_value.backward()
    expected = torch.cat([parameter.grad.ravel() for parameter in network.parameters()])
    assert value == pytest.approx(expected_value.item(), rel=1e-5)
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-4)
    assert torch.allclose(bank, errors.detach())


def test_divergence_is_detected():
    with pytest.raises(DivergedError, match="learning rate 1e\\+06"):
        training(learning_rate=1e6).advance(60)


def test_cosine_falls_to_zero_at_the_end_of_the_budget():
    config = TrialConfig(schedule="cosine", learning_rate=0.5, presentations=100)
    assert [learning_rate(config, at) for at in (0, 50, 100)] == pytest.approx([0.5, 0.25, 0.0])
    assert learning_rate(TrialConfig(learning_rate=0.5), 70) == 0.5


def test_adadelta_is_keras_s():
    (group,) = make_optimiser(
        nn.Linear(1, 1).parameters(), TrialConfig(optimiser="adadelta", learning_rate=1.0)
    ).param_groups
    assert (group["lr"], group["rho"], group["eps"]) == (1.0, 0.95, 1e-7)


@pytest.mark.parametrize(
    ("name", "family", "options"),
    [
        ("adam", torch.optim.Adam, {"fused": True}),
        ("adamw", torch.optim.AdamW, {"fused": True}),
        ("adadelta", torch.optim.Adadelta, {"rho": 0.95, "eps": 1e-7}),
    ],
)
def test_optimisers_are_torch_s_to_the_bit_and_exchange_states_with_them(name, family, options):
    ours, torchs = nn.Linear(5, 3), nn.Linear(5, 3)
    torchs.load_state_dict(ours.state_dict())
    config = TrialConfig(optimiser=name, learning_rate=0.1, weight_decay=0.01)
    own = make_optimiser(ours.parameters(), config)
    other = family(torchs.parameters(), lr=0.1, weight_decay=0.01, **options)
    generator = torch.Generator().manual_seed(0)
    for step in range(6):
        images = torch.randn(4, 5, generator=generator)
        for network, optimiser in ((ours, own), (torchs, other)):
            optimiser.zero_grad(set_to_none=True)
            network(images).square().sum().backward()
            optimiser.step()
        if step == 2:
            states = own.state_dict(), other.state_dict()
            own.load_state_dict(states[1])
            other.load_state_dict(states[0])
        assert all(torch.equal(*pair) for pair in zip(ours.parameters(), torchs.parameters(), strict=True))


def test_averaged_weights_predict_unless_switched_off():
    averaged, last = training(averaging=0.9), training(averaging=0.0)
    for each in (averaged, last):
        each.advance(20)
    assert not torch.equal(averaged.averaged.conv1.weight, averaged.network.conv1.weight)
    assert torch.equal(last.averaged.conv1.weight, last.network.conv1.weight)
