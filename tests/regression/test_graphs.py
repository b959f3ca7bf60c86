"""Graphs predict what torch predicts, for any number of scans, and say nothing about this machine."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from study.badinput import BadInput
from study.regression.config import TrialConfig
from study.regression.ensemble import Ensemble
from study.regression.graphs import (
    check_onnx,
    onnx_model,
    run_onnx,
    run_torch_program,
    torch_program,
    trace,
)
from study.regression.prediction import build_predictor

SHAPE = (6, 7, 8)


@pytest.fixture(scope="module")
def networks():
    """Two untrained networks of different scales, one of which runs a blank branch too."""
    torch.manual_seed(3)
    return [
        build_predictor(TrialConfig(n=3, blank=blank), scale)
        for blank, scale in (("mask", 2.0), ("image", 5.0))
    ]


@pytest.fixture(scope="module")
def program(networks):
    return trace(networks, SHAPE)


@pytest.fixture(scope="module")
def model(program):
    return onnx_model(program, {"unit": "voxels"})


def expected(networks, images):
    with torch.inference_mode():
        return np.mean([network(images).double().numpy() for network in networks], axis=0)


def images(count):
    return torch.randn(count, 1, *SHAPE, generator=torch.Generator().manual_seed(count))


def test_an_ensemble_is_the_mean_of_its_networks(networks):
    with torch.inference_mode():
        found = Ensemble(networks)(images(3)).double().numpy()
    np.testing.assert_allclose(found, expected(networks, images(3)), rtol=1e-6)


@pytest.mark.parametrize("kind", ["onnx", "pt2"])
def test_a_graph_predicts_what_torch_predicts(networks, program, model, kind):
    content, run = {"onnx": (model, run_onnx), "pt2": (torch_program(program), run_torch_program)}[kind]
    for count in (1, 5):
        difference = np.abs(run(content, images(count)) - expected(networks, images(count))).max()
        assert difference < 1e-5 * np.abs(expected(networks, images(5))).max()
    assert str(Path(__file__).parents[2]).encode() not in content


def test_an_onnx_file_passes_onnxs_own_check_and_says_what_it_needs(model):
    import onnx

    read = onnx.load_from_string(model)
    onnx.checker.check_model(read, full_check=True)
    (size,) = [value.type.tensor_type.shape.dim for value in read.graph.input]
    assert [side.dim_param or side.dim_value for side in size] == ["scans", 1, *SHAPE]
    assert {note.key: note.value for note in read.metadata_props} == {"unit": "voxels"}


def test_without_its_packages_onnx_is_refused_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(BadInput, match=r"onnxruntime.*pip install 'setsum\[onnx\]'"):
        check_onnx()


class Undecided(nn.Module):
    def forward(self, images):
        return images.mean(dim=(1, 2, 3, 4)) if images.sum() > 0 else images.amax(dim=(1, 2, 3, 4))


def test_a_network_that_cannot_be_traced_is_refused_in_a_line():
    with pytest.raises(BadInput, match="cannot trace"):
        trace([Undecided()], SHAPE)
