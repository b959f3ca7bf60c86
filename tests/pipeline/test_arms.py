"""What holds for every arm that comes with the package, in any study."""

import json
from pathlib import Path

import numpy as np
import pytest

from study.builtin import built_in_arms
from study.pipeline.prepared import read_spaces
from study.regression.augmentation import identity_transform
from study.regression.config import TrialConfig
from study.regression.prediction import draw_views
from study.settings import builtin_text, read_settings

DOCS = Path(__file__).parents[2] / "docs" / "arms.md"
STUDIES = ["quick", "wmh", "pvs"]
TUNED_ALIKE = {"learning_rate", "scans_per_step"}
SOUGHT = {
    "base": set(),
    "no_augmentation": {"flips", "rotation", "translation", "views"},
    "dropout": {"dropout"},
    "weight_decay": {"weight_decay", "optimiser"},
    "mixup": {"objective", "mixup_alpha"},
    "c_mixup": {"objective", "mixup_alpha", "mixup_bandwidth"},
    "set_sum": {"n", "p", "replacement"},
    "sets_of_2": {"n", "p", "replacement"},
    "sets_of_4": {"n", "p", "replacement"},
    "set_sum_dropout": {"n", "p", "replacement", "dropout"},
    "set_sum_large": {"n", "p", "replacement"},
    "blank_only": {"p", "blank", "bias_at_mean"},
    "bias_penalty": {"objective", "bias_weight"},
}
"""Fields by which an arm may differ from `base`, beside those tuned alike."""


def spaces(study: str, tmp_path: Path):
    path = tmp_path / "study.yaml"
    path.write_text(builtin_text(study))
    return read_spaces(read_settings(path, [f"arms=[{', '.join(built_in_arms())}]"]))


@pytest.mark.parametrize("study", STUDIES)
def test_every_arm_differs_from_base_only_by_what_it_asks_about(study: str, tmp_path: Path):
    arms = spaces(study, tmp_path)
    assert set(arms) == set(SOUGHT)
    base = arms["base"]
    tuned = {field: base.searched.get(field, base.constants.get(field)) for field in TUNED_ALIKE}
    reference = base.resolve(base.points["default"]).model_dump()
    for arm, space in arms.items():
        entries: dict[str, object] = {**space.constants, **space.searched}
        assert {field: entries[field] for field in TUNED_ALIKE} == tuned
        assert set(space.searched) <= TUNED_ALIKE | SOUGHT[arm]
        config = space.resolve(space.points["default"]).model_dump()
        assert {field for field in config if config[field] != reference[field]} <= SOUGHT[arm]


@pytest.mark.parametrize("study", STUDIES)
def test_every_configuration_of_every_arm_is_trained_at_the_same_presentations(study: str, tmp_path: Path):
    for space in spaces(study, tmp_path).values():
        assert not {"presentations", "reports"} & set(space.searched)
        budget = space.constants["presentations"]
        assert all(space.resolve(point).presentations == budget for point in space.points.values())


def test_the_quick_study_takes_augmentation_away_from_its_arm_and_predicts_scans_as_they_are():
    arms = read_spaces(read_settings(None, ["arms=[base, no_augmentation]"]))
    base, still = (arms[name].resolve(arms[name].points["default"]) for name in ("base", "no_augmentation"))
    assert (base.translation, base.views) == (0.5, 4)
    assert (still.flips, still.rotation, still.translation) == (False, 0, 0)
    np.testing.assert_array_equal(draw_views(still, 0), identity_transform())
    more = TrialConfig(**json.loads(still.model_dump_json()) | {"views": 3})
    np.testing.assert_array_equal(draw_views(more, 0), np.repeat(identity_transform(), 3, axis=0))


@pytest.mark.parametrize("arm", sorted(built_in_arms()))
def test_every_arm_has_a_row_in_the_docs(arm: str):
    assert f"| `{arm}` |" in DOCS.read_text()
