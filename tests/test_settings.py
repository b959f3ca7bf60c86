import pytest
import yaml

from study.badinput import BadInput
from study.settings import StudySettings, builtin_names, builtin_text, read_settings


@pytest.mark.parametrize("name", builtin_names())
def test_every_built_in_study_file_is_valid(name, tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(builtin_text(name))
    assert read_settings(path).format == 1


def test_overrides_replace_single_fields():
    settings = read_settings(None, ["budget.trials=8", "arms=[base]", "training.learning_rate=1e-3"])
    assert settings.budget.trials == 8
    assert settings.arms == ("base",)
    assert settings.budget.presentations == read_settings(None).budget.presentations


def test_resolved_settings_read_back_the_same(tmp_path):
    settings = read_settings(None, ["seed=3", "split.test=0.25"])
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(settings.model_dump(mode="json")))
    assert read_settings(path) == settings


def test_paths_in_a_file_are_relative_to_it(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("format: 1\ncohort: {path: scans}\narms: [base, mine.yaml]\nsplit: {test: ids.txt}\n")
    settings = read_settings(path)
    assert settings.cohort.path == tmp_path / "scans"
    assert settings.arms == ("base", str(tmp_path / "mine.yaml"))
    assert settings.split.test == tmp_path / "ids.txt"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("format: 2\n", "format: 1"),
        ("seed: 0\n", "format"),
        ("- a list\n", "mapping"),
        ("format: 1\nbugdet: {trials: 3}\n", "bugdet"),
        ("format: 1\nbudget: {trials: many}\n", "budget.trials"),
        ("format: 1\nbudget: {trials: 1}\n", "budget.trials"),
        ("format: 1\nvalidation: {folds: 1}\n", "validation.folds"),
        ("format: 1\nseed: -1\n", "seed"),
        ("format: 1\npreprocessing: {shape: [12, 12]}\n", "preprocessing.shape"),
        ("format: 1\ncohort: {layout: dicom}\n", "cohort.layout"),
        ("format: 1\narms: [unclosed\n", "YAML"),
        ("format: 1\nseed: !!python/object/apply:os.system [ls]\n", "YAML"),
        ("format: 1\nsearch: {sampler: grid}\n", "search.sampler"),
    ],
)
def test_bad_study_files_are_one_line_that_names_file_and_field(tmp_path, text, says):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(BadInput) as caught:
        read_settings(path)
    line = str(caught.value)
    assert str(path) in line
    assert says in line
    assert "\n" not in line


@pytest.mark.parametrize(
    "override", ["budget.trials", "=3", "seed.deep=1", "budget.trials=[", "budget.trials=x"]
)
def test_bad_overrides_are_refused(override):
    with pytest.raises(BadInput):
        read_settings(None, [override])


def test_an_unreadable_file_and_an_unknown_name_say_what_to_do(tmp_path):
    with pytest.raises(BadInput, match="setsum init"):
        read_settings(tmp_path / "missing.yaml")
    with pytest.raises(BadInput, match="quick"):
        builtin_text("nothing")


@pytest.mark.filterwarnings("error")
def test_a_study_of_defaults_can_be_written_down_without_a_warning():
    assert StudySettings().model_dump(mode="json")["resources"]["gpus_per_trial"] == 0
