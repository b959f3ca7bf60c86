import numpy as np
import pytest
import torch

from study.cohort.rows import Rows
from study.regression.config import TrialConfig
from study.regression.prediction import draw_views, predict
from study.regression.resident import SHARE, on_device, resident
from study.regression.sets import BLANK
from study.regression.training import NetworkTraining

SCANS = np.random.default_rng(0).standard_normal((5, 6, 6, 6)).astype(np.float32)
BYTES = SCANS.nbytes


def test_on_a_cpu_scans_stay_where_they_are():
    assert resident(SCANS, "cpu") is SCANS


@pytest.mark.parametrize(("free", "copied"), [(BYTES / SHARE, True), (BYTES / SHARE - 1, False)])
def test_elsewhere_they_are_copied_if_they_take_no_more_than_their_share(free, copied):
    found = resident(SCANS, "meta", lambda device: free)
    assert isinstance(found, torch.Tensor) is copied


def test_a_blank_is_a_zero_image_and_the_others_are_the_scans():
    drawn = on_device(SCANS.astype(np.float16), np.array([3, BLANK, 0]), "cpu")
    assert drawn.dtype == torch.float32
    assert not drawn[1].any()
    assert np.array_equal(drawn[[0, 2]].numpy(), SCANS[[3, 0]].astype(np.float16).astype(np.float32))


@pytest.mark.parametrize("fields", [{"n": 3, "p": 0.4}, {"objective": "mixup"}], ids=str)
def test_training_and_predicting_from_a_tensor_are_the_same_as_from_an_array(fields):
    config = TrialConfig(presentations=20, reports=1, **fields)
    labels = np.arange(1.0, 5)
    found = []
    for images in (SCANS, torch.from_numpy(SCANS)):
        training = NetworkTraining(
            config, Rows(images, np.array([4, 1, 0, 2])), labels, seeds=np.random.SeedSequence(1)
        )
        training.advance(20)
        views = draw_views(config, 0)
        predictions = predict(training.predictor(), Rows(images, np.arange(5)), views, config=config)
        found.append((training.network.state_dict(), predictions))
    (array, of_array), (tensor, of_tensor) = found
    assert all(torch.equal(array[name], tensor[name]) for name in array)
    assert np.array_equal(of_array, of_tensor)
