"""A regressor of the user's own: found by name, tried first, trained as exactly as the base one."""

import sys
from pathlib import Path

import nets
import numpy as np
import pytest
import torch
from torch import nn

from study.badinput import BadInput
from study.cohort.split import make_folds
from study.regression.config import TrialConfig
from study.regression.crossvalidation import CrossValidation
from study.regression.model import load_networks, save_networks
from study.regression.named import build_named, source_file, takes_dropout, try_regressor

SHAPE = (8, 8, 8)
HEAD = "import torch\nfrom torch import nn\n\n\n"


@pytest.fixture
def own(tmp_path: Path):
    """Writes a file and names something in it."""

    def write(text: str, attribute: str, file: str = "mynets.py") -> str:
        (tmp_path / file).write_text(text)
        return f"{tmp_path / file}:{attribute}"

    return write


def running(regressor: str, **fields) -> CrossValidation:
    config = TrialConfig(**{"regressor": regressor, "presentations": 24, "reports": 3, "views": 2, **fields})
    labels = np.linspace(1, 4, 12)
    noise = np.random.default_rng(0).normal(0, 0.1, (12, *SHAPE))
    images = (labels[:, None, None, None] + noise).astype(np.float32)
    names = [str(number) for number in range(12)]
    folds = make_folds(labels, names, names, folds=2, repeats=1, stratify=False, seed=0)
    return CrossValidation(config, images, labels, folds, seed=5, view_seed=6)


def test_a_file_and_a_module_are_found_by_name(own, tmp_path, monkeypatch):
    name = own(nets.CONVOLUTION, "Small")
    assert type(build_named(name, 0.0)).__name__ == "Small"
    assert source_file(name) == tmp_path / "mynets.py"
    monkeypatch.syspath_prepend(tmp_path)
    assert type(build_named("mynets:Small", 0.0)).__name__ == "Small"
    assert source_file("mynets:Small") == tmp_path / "mynets.py"
    monkeypatch.delitem(sys.modules, "mynets")


def test_an_edited_file_is_read_again(own):
    name = own(HEAD + "def build():\n    return nn.Linear(1, 2)\n", "build")
    assert build_named(name, 0.0).out_features == 2
    own(HEAD + "def build():\n    return nn.Linear(1, 3)\n", "build")
    assert build_named(name, 0.0).out_features == 3


def test_dropout_is_given_to_those_who_take_it(own):
    assert takes_dropout(own(nets.CONVOLUTION, "Small", "one.py"))
    assert build_named(own(nets.CONVOLUTION, "Small", "one.py"), 0.3).drop.p == 0.3
    assert not takes_dropout(own(nets.BATCH_NORM, "normed", "two.py"))


@pytest.mark.parametrize("text", [nets.CONVOLUTION, nets.MONAI], ids=["convolution", "monai"])
def test_networks_that_do_are_let_pass(own, text):
    try_regressor(own(text, "Small" if "Small" in text else "small"), SHAPE, streamed=True)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("this is no Python", "cannot be loaded (SyntaxError"),
        ("import nothing_of_that_name", "cannot be loaded (ModuleNotFoundError"),
        ("other = 1", "cannot be loaded (AttributeError"),
        ("build = 1", "is a int, neither a class nor a function"),
        ("def build(): return 1", "gives a int, not a torch.nn.Module"),
        ("def build(width): return nn.Linear(width, 1)", "cannot be built (TypeError"),
        ("def build(): return nn.Flatten()", "gives (2, 512) for scans (2, 1, 8, 8, 8), not (2,)"),
        ("def build(): return nn.Linear(7, 1)", "fails on scans (2, 1, 8, 8, 8) (RuntimeError"),
        (
            "class build(nn.Module):\n    def forward(self, x): return x.mean(dim=(1, 2, 3, 4))",
            "without a gradient",
        ),
        ("class build(nn.Module):\n    def forward(self, x): return x.mean()", "gives () for scans"),
        ("class build(nn.Module):\n    def forward(self, x): return [1, 2]", "gives list for scans"),
    ],
)
def test_others_are_refused_by_name_in_one_line(own, text, says):
    with pytest.raises(BadInput) as caught:
        try_regressor(own(HEAD + text, "build"), SHAPE, streamed=True)
    assert says in str(caught.value)
    assert str(caught.value).startswith("training.regressor: ")
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_or_module_that_is_not_there_is_refused(tmp_path):
    for name in (f"{tmp_path}/none.py:build", "no_module_of_that_name:build"):
        with pytest.raises(BadInput, match="cannot be loaded"):
            build_named(name, 0.0)
        with pytest.raises(BadInput, match="has no file here"):
            source_file(name)


def test_batch_normalisation_is_refused_where_batches_are_streamed(own):
    name = own(nets.BATCH_NORM, "normed")
    with pytest.raises(BadInput, match="execution: replicated"):
        try_regressor(name, SHAPE, streamed=True)
    try_regressor(name, SHAPE, streamed=False)


def test_trying_a_regressor_leaves_the_generator_alone(own):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    try_regressor(own(nets.CONVOLUTION, "Small"), SHAPE, streamed=True)
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize("text", [nets.CONVOLUTION, nets.MONAI], ids=["convolution", "monai"])
@pytest.mark.parametrize("execution", ["streamed", "replicated"])
def test_a_resumed_training_is_bit_for_bit_an_uninterrupted_one(own, text, execution):
    name = own(text, "Small" if "Small" in text else "small")
    fields = {"dropout": 0.3, "n": 2, "execution": execution}
    whole = running(name, **fields)
    expected = [whole.advance().oof_RM for _ in range(3)]
    assert not np.array_equal(expected[0], expected[2])
    begun = running(name, **fields)
    begun.advance()
    torch.rand(7)
    again = running(name, **fields)
    again.load_state_dict(begun.state_dict())
    for report in expected[1:]:
        np.testing.assert_array_equal(again.advance().oof_RM, report)


def test_its_networks_are_saved_and_read_back(own, tmp_path):
    trained = running(own(nets.MONAI, "small"))
    trained.advance()
    networks = trained.networks()
    save_networks(tmp_path / "model.safetensors", networks)
    images = torch.randn(3, 1, *SHAPE)
    for kept, read in zip(
        networks, load_networks(tmp_path / "model.safetensors", trained.config), strict=True
    ):
        assert torch.equal(kept(images), read(images))


def test_tied_weights_are_saved_too(own, tmp_path):
    text = HEAD + "def build():\n    one = nn.Linear(8, 8)\n"
    text += "    return nn.Sequential(one, one, nn.Flatten(), nn.Linear(512, 1), nn.Flatten(0))\n"
    trained = running(own(text, "build"))
    trained.advance()
    save_networks(tmp_path / "model.safetensors", trained.networks())
    assert len(load_networks(tmp_path / "model.safetensors", trained.config)) == 2


def test_the_output_bias_starts_at_the_mean_where_there_is_one(own):
    named = running(own(nets.CONVOLUTION, "Small", "one.py")).trainings[0]
    assert named.network.output_bias.item() == pytest.approx(float(named.labels_M.mean()))
    other = running(own(nets.MONAI, "small", "two.py")).trainings[0]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(np.random.SeedSequence([5, 0, 0]).spawn(5)[0].generate_state(1)[0]))
        fresh = build_named(other.config.regressor, 0.0)
    assert all(torch.equal(a, b) for a, b in zip(other.network.parameters(), fresh.parameters(), strict=True))


def test_running_statistics_predict_as_they_were_gathered(own):
    trained = running(own(nets.BATCH_NORM, "normed"), execution="replicated", scans_per_step=4)
    trained.advance()
    training = trained.trainings[0]
    gathered = [module for module in training.network.modules() if isinstance(module, nn.BatchNorm3d)]
    predicting = [module for module in training.averaged.modules() if isinstance(module, nn.BatchNorm3d)]
    assert gathered[0].running_mean.abs().sum() > 0
    assert torch.equal(gathered[0].running_mean, predicting[0].running_mean)


def test_bfloat16_is_the_base_regressors():
    with pytest.raises(ValueError, match="belongs to the base regressor"):
        TrialConfig(regressor="mynets.py:small", precision="bfloat16")
