"""Search-space files: those that come with the package, and what is refused."""

from pathlib import Path

import optuna
import pytest
from ray.tune.search.sample import Domain

from study.badinput import BadInput
from study.builtin import built_in_arms
from study.regression.config import TrialConfig
from study.sweep.spaces import Space, check_space, load_space, read_space, with_training
from study.sweep.stored import distributions

ARMS = [
    "base",
    "bias_penalty",
    "blank_only",
    "c_mixup",
    "dropout",
    "mixup",
    "no_augmentation",
    "set_sum",
    "set_sum_dropout",
    "set_sum_large",
    "sets_of_2",
    "sets_of_4",
    "weight_decay",
]


def written(directory: Path, scientific: str = "{}", nuisance: str = "{}", fixed: str = "{}") -> Path:
    path = directory / "mine.yaml"
    path.write_text(f"scientific: {scientific}\nnuisance: {nuisance}\nfixed: {fixed}\n")
    return path


def arm(name: str) -> Space:
    return read_space(built_in_arms()[name])


@pytest.mark.parametrize("name", ARMS)
def test_every_arm_resolves_its_points_and_names_question_command_cost_expectation_and_source(name):
    space = arm(name)
    for point in space.points.values():
        assert isinstance(space.resolve(point), TrialConfig)
    comment = built_in_arms()[name].read_text().split("scientific:")[0]
    assert all(f"# {word}" in comment for word in ("Question:", "Command:", "Cost:", "Expect:", "Source:"))
    assert all(isinstance(domain, Domain) for domain in load_space(built_in_arms()[name]).values())


def test_the_arms_are_those_of_the_design_and_tune_the_same_nuisance_fields():
    assert sorted(built_in_arms()) == ARMS
    assert len({str(sorted(arm(name).nuisance.items())) for name in ARMS}) == 1


def test_the_base_arm_is_the_base_network_and_the_paper_has_its_values():
    base = arm("base").resolve(arm("base").points["default"])
    assert (base.objective, base.n, base.p, base.dropout) == ("set_sum", 1, 0, 0)
    paper = arm("set_sum").resolve(arm("set_sum").points["paper"])
    assert (paper.n, paper.p, paper.replacement, paper.scans_per_step) == (4, 0.1, False, 4)
    assert list(arm("base").points) == ["default"]


def test_ray_and_optuna_draw_from_the_same_values(tmp_path):
    path = written(
        tmp_path,
        scientific="{n: {randint: [1, 3]}, chunk: {qrandint: [4, 8, 4]}, p: {quniform: [0, 0.5, 0.25]}}",
        nuisance="{learning_rate: {loguniform: [1e-5, 1e-3]}}",
    )
    domains, stored = load_space(path), distributions(read_space(path))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = [study.ask(fixed_distributions=stored).params for _ in range(60)]
    assert {sample["n"] for sample in drawn} == {domains["n"].sample() for _ in range(60)} == {1, 2}
    assert {sample["chunk"] for sample in drawn} == {domains["chunk"].sample() for _ in range(60)} == {4, 8}
    assert {sample["p"] for sample in drawn} == {domains["p"].sample() for _ in range(60)} == {0, 0.25, 0.5}
    assert all(1e-5 <= sample["learning_rate"] <= 1e-3 for sample in drawn)


@pytest.mark.parametrize(
    ("scientific", "key", "reason"),
    [
        ("{sett: 2}", "sett", "not a field"),
        ("{p: 1.0}", "p", "less than 1"),
        ("{p: {uniform: [0, 1]}}", "p", "less than 1"),
        ("{p: {uniform: [-0.1, 0.5]}}", "p", "greater than or equal to 0"),
        ("{p: {uniform: [0.5, 0.1]}}", "p", "lo < hi"),
        ("{p: {uniform: [0.1]}}", "p", "takes 2 numbers"),
        ("{p: {normal: [0, 1]}}", "p", "exactly one of"),
        ("{p: {uniform: [0, 0.5], choice: [0.1]}}", "p", "exactly one of"),
        ("{p: {uniform: [0, 0.5], default: 0.6}}", "p", "lies outside"),
        ("{p: {uniform: [0, 0.5], default: [0.1]}}", "p", "one plain value"),
        ("{p: {quniform: [0, 0.5, 0.2]}}", "p", "divide hi - lo"),
        ("{p: {choice: []}}", "p", "different values"),
        ("{p: {choice: [0.1, 0.1]}}", "p", "different values"),
        ("{p: {choice: [[0.1]]}}", "p", "plain values"),
        ("{p: [0.1, 0.2]}", "p", "constant or a domain"),
        ("{p: {grid_search: [0.1, 0.2]}}", "p", "exactly one of"),
        ("{n: {uniform: [1, 8]}}", "n", "whole number"),
        ("{n: {randint: [2, 3]}}", "n", "hi is excluded"),
        ("{n: {randint: [1, 2.5]}}", "n", "whole numbers"),
        ("{n: {choice: [1, 2], paper: 4}}", "n", "lies outside"),
        ("{n: 2.0}", "n", "valid integer"),
        ("{replacement: 1}", "replacement", "valid boolean"),
        ("{learning_rate: {loguniform: [0, 1]}}", "learning_rate", "lo > 0"),
        ("{learning_rate: {qloguniform: [0.1, 1, 0.1]}}", "learning_rate", "exactly one of"),
        ("{blank: {choice: [mask, none]}}", "blank", "'mask' or 'image'"),
        ("{objective: mixup, n: {choice: [1, 2]}}", "mine.yaml", "n = 1 and p = 0"),
        ("{p: 0.1, p: 0.2}", "p", "stands twice"),
        ("[p]", "scientific", "holds fields"),
        ("{p: 0.1", "mine.yaml", "not valid YAML"),
    ],
)
def test_a_wrong_entry_is_refused_with_file_key_and_reason(tmp_path, scientific, key, reason):
    path = written(tmp_path, scientific)
    with pytest.raises(BadInput) as refused:
        read_space(path)
    message = str(refused.value)
    assert str(path) in message
    assert key in message
    assert reason in message


def test_wrong_headings_and_missing_files_are_refused(tmp_path):
    path = tmp_path / "mine.yaml"
    for content in ("", "scientific: {}\n", "scientific: {}\nnuisance: {}\nfixed: {}\nother: {}\n", "- 1\n"):
        path.write_text(content)
        with pytest.raises(BadInput, match="headings"):
            read_space(path)
    with pytest.raises(BadInput, match=r"other\.yaml: cannot be read"):
        read_space(tmp_path / "other.yaml")
    with pytest.raises(BadInput, match="two headings"):
        read_space(written(tmp_path, scientific="{p: 0.1}", fixed="{p: 0.1}"))


def test_numbers_that_yaml_takes_for_text_are_numbers(tmp_path):
    space = read_space(written(tmp_path, nuisance="{learning_rate: 1e-5, weight_decay: 2E-4}"))
    assert space.constants == {"learning_rate": 1e-5, "weight_decay": 2e-4}


def test_a_study_fixes_nuisance_fields_and_no_scientific_ones():
    fixed = with_training(arm("set_sum"), {"learning_rate": 0.01, "presentations": 100, "blank": "image"})
    config = fixed.resolve(fixed.points["default"])
    assert (config.learning_rate, config.presentations, config.blank) == (0.01, 100, "image")
    assert "learning_rate" not in fixed.searched
    for field, value in {"n": 2, "dropout": 0.1, "objective": "mixup"}.items():
        with pytest.raises(BadInput, match=f"training: {field}.*asks? about"):
            with_training(arm("base"), {field: value})
    with pytest.raises(BadInput, match=r"training: weight_decay.*here `weight_decay`"):
        with_training(arm("weight_decay"), {"weight_decay": 0.1})
    with pytest.raises(BadInput, match="not a field"):
        with_training(arm("base"), {"epochs": 3})
    with pytest.raises(BadInput, match="reports"):
        with_training(arm("base"), {"presentations": 3})


def test_what_an_arm_is_about_stays_as_it_is_whatever_a_study_fixes_for_all():
    common = {"translation": 0.5, "views": 4, "blank": "mask", "reports": 5}
    still = with_training(arm("no_augmentation"), common)
    config = still.resolve(still.points["default"])
    assert (config.flips, config.rotation, config.translation, config.views) == (False, 0, 0, 1)
    assert config.reports == 5
    blanks = with_training(arm("blank_only"), common)
    config = blanks.resolve(blanks.points["default"])
    assert (config.blank, config.translation, config.views) == ("image", 0.5, 4)


def test_sets_larger_than_the_training_fold_need_replacement(tmp_path):
    check_space(arm("set_sum"), 8)
    with pytest.raises(BadInput, match=r"n <= m must hold without replacement, got n = 8 and m = 7"):
        check_space(arm("set_sum"), 7)
    check_space(arm("set_sum_large"), 7)
    check_space(read_space(written(tmp_path, "{n: 9, replacement: {choice: [true]}}")), 7)
