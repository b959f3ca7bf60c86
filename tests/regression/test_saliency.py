"""The map of where a network looked shows where it looked, and adds up to what it said."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from study.regression.augmentation import identity_transform
from study.regression.config import TrialConfig
from study.regression.prediction import build_predictor, draw_views
from study.regression.saliency import attribution

GRID = (9, 10, 11)
CONFIG = TrialConfig()


class LooksAt(nn.Module):
    """Sums a cube of voxels and is blind to all others."""

    def __init__(self, corner):
        super().__init__()
        self.cube = tuple(slice(at, at + 3) for at in corner)

    def forward(self, images_BCDHW):
        return images_BCDHW[(slice(None), 0, *self.cube)].sum(dim=(1, 2, 3))


@given(corner=st.tuples(st.integers(0, 6), st.integers(0, 7), st.integers(0, 8)))
def test_the_map_lies_in_the_region_that_the_network_looks_at(corner):
    image = np.random.default_rng(0).uniform(0.5, 2, GRID).astype(np.float32)
    network = LooksAt(corner)
    found = attribution([network], image, identity_transform(), config=CONFIG)
    expected = np.zeros(GRID, np.float32)
    expected[network.cube] = image[network.cube]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_through_views_the_map_lies_where_the_voxels_came_from():
    image = np.ones(GRID, np.float32)
    views = draw_views(TrialConfig(flips=False, rotation=0.0, translation=2.0), seed=3)
    found = attribution([LooksAt((3, 3, 4))], image, views, config=CONFIG)
    peak = np.array(np.unravel_index(found.argmax(), GRID))
    assert (abs(peak - (4, 4, 5)) <= 3).all()
    assert found[0].max() == 0


@pytest.mark.parametrize("blank", ["mask", "image"])
def test_without_biases_the_map_adds_up_to_the_prediction(blank):
    torch.manual_seed(0)
    config = TrialConfig(n=4, blank=blank, views=1)
    predictor = build_predictor(config, label_scale=30.0)
    assert all(bias.abs().max().item() == 0 for name, bias in predictor.named_parameters() if "bias" in name)
    image = np.random.default_rng(1).normal(0, 1, GRID).astype(np.float32)
    found = attribution([predictor], image, identity_transform(), config=config)
    said = predictor(torch.from_numpy(image)[None, None]).item()
    assert found.sum() == pytest.approx(said, rel=1e-3)


def test_the_map_of_several_networks_is_their_mean_and_always_the_same():
    config = TrialConfig(dropout=0.5)
    networks = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        networks.append(build_predictor(config).train())
    image = np.random.default_rng(2).normal(0, 1, GRID).astype(np.float32)
    views = draw_views(config, seed=0)
    maps = [attribution([network], image, views, config=config) for network in networks]
    both = attribution(networks, image, views, config=config)
    np.testing.assert_allclose(both, np.mean(maps, axis=0), atol=1e-6)
    assert (both == attribution(networks, image, views, config=config)).all()
    assert all(parameter.grad is None for network in networks for parameter in network.parameters())
