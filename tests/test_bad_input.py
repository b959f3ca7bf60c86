"""Study files, fields, search spaces, recipes, exports and command lines that cannot be used.

Each goes through the real command; `refuse` checks exit code 2, one line, and that nothing is written.
Scans and tables are in test_bad_scans.py.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from nifti import brain, save
from refusals import Refuse

from study.cohort.preprocess import Preprocessing
from study.record import write_yaml
from study.regression.config import TrialConfig
from study.regression.model import save_networks
from study.regression.prediction import build_predictor
from study.regression.recipe import Recipe

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
SMALL = ["arms=[base]", "preprocessing.shape=[8,8,8]", "split.test=2", "validation.folds=2"]


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good input to go with the bad: a cohort of eight scans and an export of an untrained network."""
    root, config = tmp_path_factory.mktemp("given"), TrialConfig(views=1, presentations=16, reports=2)
    rows = ["id,image,label,group"]
    for i in range(8):
        save(root / "cohort" / f"{i}.nii.gz", brain(i))
        rows.append(f"scan {i},{i}.nii.gz,{i},{'twin' if i < 2 else ''}")
    (root / "cohort" / "manifest.csv").write_text("\n".join(rows))
    recipe = Recipe(config=config, preprocessing=Preprocessing(shape=(8, 8, 8)))
    (root / "export").mkdir()
    save_networks(root / "export" / "model.safetensors", [build_predictor(config)])
    write_yaml(root / "export" / "config.yaml", recipe.model_dump(mode="json"))
    return root


STUDIES = {
    "empty": ("", "mapping of fields"),
    "a list": ("- format: 1\n", "mapping of fields"),
    "a word": ("format\n", "mapping of fields"),
    "no format": ("seed: 0\n", "`format: 1` must come first"),
    "another format": ("format: 2\n", "`format: 1` must come first"),
    "two documents": ("format: 1\n---\nformat: 1\n", "found another document"),
    "unclosed": ("format: 1\narms: [base\n", "not valid YAML"),
    "tabs": ("format: 1\nsplit:\n\ttest: 2\n", "not valid YAML"),
    "control characters": ("format: 1\nseed: \x07\n", "not valid YAML"),
    "not UTF-8": (b"format: 1\nsearch: {storage: \xff\xfe}\n", "cannot be read"),
    "python tag": ("format: 1\nseed: !!python/object/apply:os.system [ls]\n", "tags (here tag:yaml.org"),
    "own tag": ("format: 1\nseed: !seed 3\n", "tags (here !seed)"),
    "binary": ("format: 1\nseed: !!binary aGk=\n", "tags"),
    "billion laughs": ("format: 1\n" + BOMB, "anchors and aliases"),
    "alias of itself": ("format: 1\narms: &a [*a]\n", "anchors and aliases"),
    "nested without end": ("format: 1\narms: " + "[" * 100_000, "more than 24 levels"),
    "too large": ("format: 1\n" + "# much\n" * 200_000, "larger than"),
    "number of 5,000 digits": (f"format: 1\nseed: {'9' * 5000}\n", "not valid YAML"),
    "key twice": ("format: 1\nseed: 1\nseed: 2\n", "`seed` stands twice"),
    "key of a list": ("format: 1\n? [a, b]\n: 3\n", "not valid YAML"),
    "unknown key": ("format: 1\nbugdet: {trials: 3}\n", "`bugdet`"),
    "unknown inner key": ("format: 1\nbudget: {trails: 3}\n", "`budget.trails`"),
    "number as key": ("format: 1\n7: 3\n", "`7`"),
    "text for a number": ("format: 1\nbudget: {trials: many}\n", "`budget.trials`"),
    "quoted number": ('format: 1\nbudget: {trials: "8"}\n', "`budget.trials`"),
    "boolean for a number": ("format: 1\nconfirm: {top: true}\n", "`confirm.top`"),
    "fraction for a whole number": ("format: 1\nbudget: {trials: 2.5}\n", "`budget.trials`"),
    "number for a boolean": ("format: 1\nsplit: {stratify: 1}\n", "`split.stratify`"),
    "number for a text": ("format: 1\ncohort: {label_column: 3}\n", "`cohort.label_column`"),
    "section for a value": ("format: 1\nseed: {of: 3}\n", "`seed`"),
    "value for a section": ("format: 1\nbudget: 3\n", "`budget`"),
    "nothing for a section": ("format: 1\nbudget:\n", "`budget`"),
    "nan": ("format: 1\nsplit: {test: .nan}\n", "`split.test"),
    "infinite": ("format: 1\npreprocessing: {shape: [8, 8, .inf]}\n", "`preprocessing.shape.2`"),
    "negative": ("format: 1\nseed: -1\n", "`seed`"),
    "two sides": ("format: 1\npreprocessing: {shape: [8, 8]}\n", "`preprocessing.shape"),
    "one fold": ("format: 1\nvalidation: {folds: 1}\n", "`validation.folds`"),
    "no arms": ("format: 1\narms: []\n", "`arms`"),
    "arm twice": ("format: 1\narms: [base, base]\n", "`base` is named twice"),
    "unknown arm": ("format: 1\narms: [basis]\n", "no built-in arm `basis`"),
    "arm file not there": ("format: 1\narms: [no.yaml]\n", "no.yaml: cannot be read"),
    "unknown training field": ("format: 1\ntraining: {epochs: 3}\n", "training: epochs"),
    "training field out of range": ("format: 1\ntraining: {views: 0}\n", "training: views"),
    "cohort not there": ("format: 1\ncohort: {path: nowhere}\n", "nowhere: no such file or folder"),
    "cohort with a null byte": ('format: 1\ncohort: {path: "a\\0b"}\n', "null characters"),
    "cohort with a name too long": (f"format: 1\ncohort: {{path: {'x' * 5000}}}\n", "no such file or folder"),
    "terminal codes": ('format: 1\n"\\e[2J": 3\n', "\\x1b[2J"),
}


@pytest.mark.parametrize("case", STUDIES)
def test_a_study_file_is_refused_by_file_and_field(tmp_path: Path, case: str, refuse: Refuse) -> None:
    text, message = STUDIES[case]
    path = tmp_path / "my study.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    line = refuse("run", path, "--out", tmp_path / "out")
    assert message in line
    assert len(line) < 1500
    if not case.startswith(("arm", "unknown", "training", "cohort")):
        assert str(path) in line


FIELDS = {
    "no value": (["budget.trials"], "budget.trials"),
    "no key": (["=3"], "KEY=VALUE"),
    "unclosed": (["budget.trials=["], "not valid YAML"),
    "alias": (["seed=*a"], "anchors and aliases"),
    "tag": (["seed=!!python/name:os.system"], "tags"),
    "value with fields": (["seed.deep=1"], "`seed` in `seed.deep` is a value"),
    "unknown": (["budget.trails=3"], "`budget.trails`"),
    "two files": (["a.yaml", "b.yaml"], "one study file at most, got a.yaml, b.yaml"),
    "more folds than scans": (["validation.folds=7"], "2 <= `folds` <= 6"),
    "fewer scans than validation scans": (["validation.protocol=paper", "split.test=3"], "`validation` < 5"),
    "more test scans than scans": (["split.test=8"], "`test` < 8"),
    "more development scans than scans": (["split.development=7"], "`size` <= 6"),
    "sets larger than a fold": (["arms=[set_sum]"], "n <= m must hold"),
    "too few trials for an arm": (["arms=[set_sum]", "budget.trials=2"], "needs at least 3 trials"),
    "a group larger than the split": (["split.test={file: x}"], "`split.test"),
    "list of test scans not there": (["split.test=ids.txt"], "the list of test scans cannot be read"),
    "a series without studies": (["series={}"], "`series`"),
    "a series of no mapping": (["series=[mse, mae]"], "`series`"),
    "a study of no mapping": (["series={mse: mae}"], "`series.mse`"),
    "a study with an unknown key": (["series={mse: {bugdet.trials: 3}}"], "series.mse: `bugdet`"),
    "a study with an impossible value": (["series.mse.budget.trials=1"], "series.mse: `budget.trials`"),
    "a field of a value": (["series={mse: {seed.deep: 3}}"], "`seed` in `seed.deep` is a value"),
    "a study that does not fit": (["series={a: {}, b: {split.test: 8}}"], "`test` < 8"),
    "a study named as a path": (["series={../up: {}}"], "got '../up'"),
    "a study named with a space": (["series={a b: {}}"], "got 'a b'"),
    "a study named findings": (["series={findings: {}}"], "got 'findings'"),
    "a study without a name": (['series={"": {}}'], "got ''"),
    "a series in a series": (["series={a: {series: {b: {}}}}"], "cannot be a series"),
    "a nested study of a series": (["series={a: {validation.outer_folds: 2}}"], "cannot be a series"),
    "a series of outer folds": (["series={a: {}}", "validation.outer_folds=2"], "cannot both be set"),
    "one outer fold": (["validation.outer_folds=1"], "`validation.outer_folds`"),
    "more outer folds than groups": (["validation.outer_folds=8"], "2 <= `folds` <= 7"),
    "an outer fold without outer folds": (["split.outer_fold=1"], "needs `validation.outer_folds`"),
    "no such outer fold": (["split.outer_fold=3", "validation.outer_folds=2"], "`split.outer_fold` <= 2"),
    "an experiment without a series": (["experiment=table1"], "belongs to a series"),
    "an unknown experiment": (["experiment=table2"], "`experiment`"),
    "a map of a cohort": (["map={scans: [4], rater_noise: [0], presentations: [8]}"], "takes no cohort"),
    "a map without scans": (["map={scans: [], rater_noise: [0], presentations: [8]}"], "`map.scans`"),
    "fields without a cohort": (["without_cohort=3"], "`without_cohort`"),
    "a search storage that is no database": (["search.storage=foo"], "is the URL of a database, got 'foo'"),
    "hours without end": (["budget.hours=.inf"], "`budget.hours`"),
    "more reports than presentations": (["training.reports=99", "budget.presentations=9"], "reports"),
}


@pytest.mark.parametrize("case", FIELDS)
def test_fields_are_refused_before_anything_is_made(case: str, given: Path, refuse: Refuse) -> None:
    fields, message = FIELDS[case]
    assert message in refuse("run", "--cohort", given / "cohort", "--out", "out", *SMALL, *fields)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (b"scan 3\nscan 99\n", "unknown scan id 'scan 99'"),
        (b"scan 3\nscan 3\n", "listed twice"),
        (b"scan 1\n", "belongs to group 'twin'"),
        (b"# none\n", "no test scan is listed"),
        (b"\xff\n", "cannot be read"),
    ],
)
def test_a_list_of_test_scans_is_refused(
    tmp_path: Path, given: Path, refuse: Refuse, ids: bytes, message: str
) -> None:
    (tmp_path / "ids.txt").write_bytes(ids)
    fields = [*SMALL, f"split.test={tmp_path / 'ids.txt'}"]
    line = refuse("run", "--cohort", given / "cohort", "--out", "out", *fields)
    assert message in line
    assert "ids.txt" in line


def space(scientific: str) -> str:
    return f"scientific: {scientific}\nnuisance: {{}}\nfixed: {{}}\n"


SPACES = {
    "empty": ("", "headings"),
    "a heading more": (space("{}") + "more: {}\n", "headings"),
    "not a mapping": (space("[p]"), "holds fields and values"),
    "unknown field": (space("{sett: 2}"), "`sett` is not a field"),
    "unknown domain": (space("{p: {grid: [1]}}"), "exactly one of"),
    "bounds the wrong way": (space("{p: {uniform: [0.5, 0.1]}}"), "lo < hi"),
    "one bound": (space("{p: {uniform: [0.5]}}"), "takes 2 numbers"),
    "text as bound": (space("{p: {uniform: [0, much]}}"), "takes 2 numbers"),
    "nan as bound": (space("{p: {uniform: [0, .nan]}}"), "at most"),
    "infinite bound": (space("{learning_rate: {loguniform: [1, .inf]}}"), "at most"),
    "bound of 400 digits": (space(f"{{n: {{randint: [1, {'9' * 400}]}}}}"), "at most"),
    "a choice of nothing": (space("{n: {choice: []}}"), "different values"),
    "a choice of lists": (space("{n: {choice: [[1]]}}"), "plain values"),
    "out of the field's range": (space("{p: {uniform: [0, 2]}}"), "less than 1"),
    "bomb": (BOMB, "anchors and aliases"),
    "tag": (space("{p: !!python/name:os.system x}"), "tags"),
    "deep": (space("[" * 5000), "levels"),
    "not UTF-8": (b"\xff\xfe\x00", "cannot be read"),
}


@pytest.mark.parametrize("case", SPACES)
def test_a_search_space_is_refused_by_file(tmp_path: Path, case: str, given: Path, refuse: Refuse) -> None:
    text, message = SPACES[case]
    path = tmp_path / "mine.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    line = refuse("run", "--cohort", given / "cohort", "--out", "out", *SMALL, f"arms=[{path}]")
    assert message in line
    assert str(path) in line


@pytest.mark.parametrize("name", ["..yaml", "...yaml", ".hidden.yaml", "a\\b.yaml", "a\nb.yaml"])
def test_an_arm_may_not_be_named_like_that(tmp_path: Path, name: str, given: Path, refuse: Refuse) -> None:
    (tmp_path / name).write_text(space("{}"))
    arms = json.dumps([str(tmp_path / name)])
    line = refuse("run", "--cohort", given / "cohort", "--out", "out", *SMALL, f"arms={arms}")
    assert "an arm is named after its file" in line


def edited(change: Callable[[Path], object]) -> Callable[[Path, Path], list[object]]:
    """`predict` with a copy of the good export that has been changed."""

    def arguments(here: Path, given: Path) -> list[object]:
        (here / "export").mkdir()
        for file in (given / "export").iterdir():
            (here / "export" / file.name).write_bytes(file.read_bytes())
        change(here / "export")
        return ["predict", here / "export", given / "cohort" / "3.nii.gz"]

    return arguments


def replaced(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def renumbered(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content.replace(b'"0.', b'"9.'))


def study_with(name: str, text: str) -> Callable[[Path, Path], list[object]]:
    """`status` or `resume` of a folder with one file in it."""

    def arguments(here: Path, given: Path) -> list[object]:
        (here / "old").mkdir()
        (here / "old" / "study.yaml").write_text("format: 1\n")
        (here / "old" / name).write_text(text)
        return ["resume" if name == "study.yaml" else "status", here / "old"]

    return arguments


def series_with(text: str, *command: str) -> Callable[[Path, Path], list[object]]:
    """A command, `resume` unless given, on a folder whose series.yaml holds a text."""

    def arguments(here: Path, given: Path) -> list[object]:
        (here / "series").mkdir()
        (here / "series" / "series.yaml").write_text(text)
        name, *options = command or ("resume",)
        return [name, here / "series", *options]

    return arguments


def alike(here: Path, given: Path) -> list[object]:
    """`run` on a cohort whose labels are all the same, but for one that is set aside for testing."""
    rows = [f"scan {i},{given / 'cohort' / f'{i}.nii.gz'},{9 if i == 3 else 4}" for i in range(8)]
    (here / "manifest.csv").write_text("\n".join(["id,image,label", *rows]))
    (here / "test.txt").write_text("scan 3\nscan 5\n")
    fields = [*SMALL, f"split.test={here / 'test.txt'}"]
    return ["run", "--cohort", here / "manifest.csv", "--out", here / "o", *fields]


COMMANDS: dict[str, tuple[Callable[[Path, Path], list[object]], str]] = {
    "no such command": (lambda h, g: ["rum"], "No such command 'rum'"),
    "no such option": (lambda h, g: ["run", "--cohrt", "x"], "--cohrt"),
    "option without value": (lambda h, g: ["run", "--cohort"], "--cohort"),
    "seed of words": (lambda h, g: ["run", "--seed", "luck"], "--seed"),
    "negative seed": (lambda h, g: ["run", "--seed", "-1"], "--seed"),
    "no argument": (lambda h, g: ["predict"], "export"),
    "cohort not there": (lambda h, g: ["run", "--cohort", h / "no", "--out", h / "o"], "no such file"),
    "cohort is a scan": (
        lambda h, g: ["run", "--cohort", g / "cohort/3.nii.gz", "--out", h / "o"],
        "no cohort",
    ),
    "labels all the same": (alike, "all 6 development scans have the same label, 4: nothing can be learned"),
    "study file is a folder": (lambda h, g: ["run", h, "--out", h / "o"], "cannot be read"),
    "study file without end": (lambda h, g: ["run", "/dev/zero", "--out", h / "o"], "/dev/zero"),
    "out is a file": (
        lambda h, g: ["run", "--cohort", g / "cohort", "--out", g / "cohort/3.nii.gz", *SMALL],
        "3.nii.gz",
    ),
    "out below a file": (
        lambda h, g: ["run", "--cohort", g / "cohort", "--out", g / "cohort/3.nii.gz/deep", *SMALL],
        "3.nii.gz",
    ),
    "out holds something": (lambda h, g: ["run", "--cohort", g / "cohort", "--out", g], "is not empty"),
    "inspect: layout": (
        lambda h, g: ["inspect", g / "cohort", "--layout", "dicom"],
        "`layout` must be one of",
    ),
    "inspect: label": (lambda h, g: ["inspect", g / "cohort", "--label", "litres"], "`label` must be"),
    "inspect: png is a folder": (lambda h, g: ["inspect", g / "cohort", "--png", h], "cannot be written"),
    "inspect: png below a file": (
        lambda h, g: ["inspect", g / "cohort", "--png", g / "cohort/manifest.csv/x.png"],
        "cannot be written",
    ),
    "status: no study": (lambda h, g: ["status", h], "no study here"),
    "status: damaged table": (study_with("trials.parquet", "no table"), "trials.parquet"),
    "resume: no study": (lambda h, g: ["resume", h / "no"], "no study here"),
    "resume: damaged study file": (study_with("study.yaml", "]"), "study.yaml"),
    "resume: empty study file": (study_with("study.yaml", ""), "study.yaml"),
    "resume: damaged series": (series_with("]"), "series.yaml"),
    "resume: series of no mapping": (series_with("- a\n"), "series.yaml"),
    "resume: series of an unknown field": (series_with("format: 1\nsereis: {a: {}}\n"), "`sereis`"),
    "resume: series without a study": (series_with("format: 1\n"), "holds no study"),
    "status: damaged series": (series_with("]", "status"), "series.yaml"),
    "findings: of a series": (series_with("format: 1\n", "findings"), "a series of studies"),
    "extend: a series": (
        series_with("format: 1\n", "extend", "--trials", "2"),
        "a series of studies",
    ),
    "export: a series": (series_with("format: 1\n", "export"), "a series of studies"),
    "compare: no study": (lambda h, g: ["compare", h], "no study here"),
    "compare: not there": (lambda h, g: ["compare", h / "no"], "no study here"),
    "compare: nothing": (lambda h, g: ["compare"], "DIR"),
    "extend: no trials": (lambda h, g: ["extend", h, "--trials", "0"], "--trials must be at least 1"),
    "findings: no study": (lambda h, g: ["findings", h], "no study here"),
    "phantom: kind": (lambda h, g: ["phantom", h / "p", "--kind", "liver"], "liver"),
    "phantom: no scans": (lambda h, g: ["phantom", h / "p", "--scans", "0"], "--scans"),
    "phantom: absurd shape": (lambda h, g: ["phantom", h / "p", "--shape", "100000"], "`shape` <= 512"),
    "phantom: noise of nan": (lambda h, g: ["phantom", h / "p", "--rater-noise", "nan"], "rater"),
    "phantom: into a file": (lambda h, g: ["phantom", g / "cohort/3.nii.gz"], "is not a folder"),
    "phantom: below a file": (lambda h, g: ["phantom", g / "cohort/3.nii.gz/x"], "3.nii.gz"),
    "phantom: into something": (lambda h, g: ["phantom", g], "is not empty"),
    "init: unknown": (lambda h, g: ["init", "slow"], "no built-in study `slow`"),
    "train: no recipe": (lambda h, g: ["train", h / "r.yaml", "--cohort", g / "cohort"], "r.yaml"),
    "train: study file as recipe": (
        lambda h, g: ["train", g / "cohort/manifest.csv", "--cohort", g / "cohort"],
        "manifest.csv",
    ),
    "train: too few scans": (
        lambda h, g: [
            *("train", _recipe(h, g, "folds: 3", "folds: 9")),
            *("--cohort", g / "cohort", "--out", h / "model"),
        ],
        "2 <= `folds` <= 7",
    ),
    "train: sets larger than a fold": (
        lambda h, g: [
            *("train", _recipe(h, g, "n: 1", "n: 6")),
            *("--cohort", g / "cohort", "--out", h / "model"),
        ],
        "got n = 6 and m = 5 scans",
    ),
    "train: longer than its schedule": (
        lambda h, g: ["train", _recipe(h, g, "length: null", "length: 17"), "--cohort", g / "cohort"],
        "config.yaml: `length` <= `config.presentations` must hold, got 17 > 16",
    ),
    "train: a seed twice": (
        lambda h, g: ["train", _recipe(h, g, "- 0", "- 0\n- 0"), "--cohort", g / "cohort"],
        "each of `seeds` is named once",
    ),
    "train: no recipe at all": (
        lambda h, g: ["train", _written(h / "r.yaml", "[]"), "--cohort", g / "cohort"],
        "r.yaml: Input should be an object, got []",
    ),
    "train: device": (
        lambda h, g: ["train", g / "export/config.yaml", "--cohort", g / "cohort", "--device", "tpu"],
        "a device is cpu or cuda",
    ),
    "predict: no export": (lambda h, g: ["predict", h, g / "cohort/3.nii.gz"], "config.yaml"),
    "predict: no scan": (lambda h, g: ["predict", g / "export", h / "no.nii"], "no.nii: no such file"),
    "predict: ending": (
        lambda h, g: ["predict", g / "export", g / "cohort/3.nii.gz", "-o", h / "p.txt"],
        "p.txt",
    ),
    "predict: into a folder": (
        lambda h, g: ["predict", g / "export", g / "cohort/3.nii.gz", "-o", _folder(h / "p.csv")],
        "is a folder",
    ),
    "predict: mask not asked for": (
        lambda h, g: ["predict", g / "export", g / "cohort/3.nii.gz", "--mask", g / "cohort/3.nii.gz"],
        "needs 0 region mask(s)",
    ),
    "predict: GPU that is not there": (
        lambda h, g: ["predict", g / "export", g / "cohort/3.nii.gz", "--device", "cuda:99"],
        "cuda:99",
    ),
    "predict: weights are text": (
        edited(lambda f: (f / "model.safetensors").write_text("weights")),
        "model.safetensors",
    ),
    "predict: weights are cut": (
        edited(
            lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:5000])
        ),
        "model.safetensors",
    ),
    "predict: networks are misnumbered": (edited(renumbered), "model.safetensors"),
    "predict: no weights": (edited(lambda f: (f / "model.safetensors").unlink()), "model.safetensors"),
    "predict: recipe of another kind": (
        edited(lambda f: replaced(f / "config.yaml", "views: 1", "views: one")),
        "`config.views`",
    ),
    "predict: recipe with a bomb": (
        edited(lambda f: (f / "config.yaml").write_text(BOMB)),
        "anchors and aliases",
    ),
}


def _recipe(here: Path, given: Path, old: str, new: str) -> Path:
    path = here / "config.yaml"
    path.write_bytes((given / "export" / "config.yaml").read_bytes())
    replaced(path, old, new)
    return path


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


@pytest.mark.parametrize("case", COMMANDS)
def test_a_command_is_refused_in_one_line(tmp_path: Path, case: str, given: Path, refuse: Refuse) -> None:
    arguments, message = COMMANDS[case]
    assert message in refuse(*arguments(tmp_path, given))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["run", "--cohort", "nowhere", "--out", "deep/out"], "nowhere"), (["run", "--nope"], "--nope")],
)
def test_a_real_process_ends_the_same_way(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = subprocess.run([sys.executable, "-m", "study.cli", *arguments], capture_output=True, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr.decode()
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == b""
    assert list(tmp_path.iterdir()) == []
