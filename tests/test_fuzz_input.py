"""Arbitrary manifests, study files and search spaces are read or refused: BadInput, never anything else."""

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nifti import brain, save

from study.badinput import BadInput
from study.builtin import built_in_arms
from study.cohort.manifest import read_manifest
from study.cohort.scans import read_cohort
from study.pipeline.prepared import read_spaces
from study.plainyaml import MOST_BYTES, MOST_LEVELS, parse_yaml
from study.regression.recipe import read_recipe
from study.settings import builtin_names, builtin_text, read_settings
from study.sweep.domains import KINDS
from study.sweep.spaces import read_space

many = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])

numbers = st.one_of(
    st.integers(), st.floats(), st.integers(-3, 12), st.sampled_from([10**400, -(10**30), 1e308])
)
plain = st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=12), st.dates())
trees = st.recursive(
    plain,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(st.text(max_size=6), plain), inner, max_size=4)
    ),
    max_leaves=8,
)
raw = st.one_of(
    st.binary(max_size=300),
    st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.text("{}[]:,-&*!|>'\"#%@`? \n\t0aeE.=<~", max_size=60).map(str.encode),
)


def written(content: object) -> bytes:
    """YAML as PyYAML writes it, aliases and Python's own types included."""
    return yaml.dump(content, allow_unicode=True).encode("utf-8", "surrogatepass")


def read_or_refused(read: Callable[..., object], *arguments: object) -> None:
    """BadInput is one line; anything else ends the test."""
    try:
        read(*arguments)
    except BadInput as error:
        line = str(error)
        assert line.isprintable(), repr(line)
        assert len(line) < 3000


@st.composite
def mutated(draw: st.DrawFn, texts: list[str]) -> bytes:
    """A good file with one to three places changed to anything, or taken away."""
    content = yaml.safe_load(draw(st.sampled_from(texts)))
    for _ in range(draw(st.integers(1, 3))):
        place = content
        while True:
            keys = list(place) if isinstance(place, dict) else range(len(place))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(place[key], dict | list) and place[key] and draw(st.booleans()):
                place = place[key]
                continue
            if draw(st.integers(0, 4)) == 0:
                del place[key]
            else:
                place[key] = draw(trees)
            break
    return written(content)


STUDIES = [builtin_text(name) for name in builtin_names()]
SPACES = [path.read_text() for path in built_in_arms().values()]


@many
@given(content=st.one_of(raw, trees.map(written), mutated(STUDIES)))
def test_a_study_file_is_read_or_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(content)
    read_or_refused(lambda: read_spaces(read_settings(path)))


@many
@given(key=st.text(max_size=20), value=st.one_of(st.text(max_size=40), trees.map(lambda t: yaml.dump(t))))
def test_a_field_is_read_or_refused(key: str, value: str) -> None:
    read_or_refused(read_settings, None, [f"{key}={value}"])
    read_or_refused(read_settings, None, [f"split.{key}={value}"])


entries = st.dictionaries(
    st.sampled_from(["n", "p", "learning_rate", "replacement", "chunk", "dropout", "blank", "objective"]),
    st.one_of(
        trees,
        st.builds(
            lambda kind, arguments, named: {kind: arguments, **named},
            st.sampled_from(KINDS),
            st.lists(plain, max_size=4),
            st.dictionaries(st.sampled_from(["default", "paper"]), plain),
        ),
    ),
    max_size=3,
)
spaces = st.fixed_dictionaries(
    {"scientific": entries, "nuisance": entries, "fixed": st.one_of(entries, trees)}
)


@many
@given(content=st.one_of(raw, trees.map(written), spaces.map(written), mutated(SPACES)))
def test_a_search_space_is_read_or_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "arm.yaml"
    path.write_bytes(content)
    read_or_refused(lambda: read_space(path).domains)


@many
@given(content=st.one_of(raw, trees.map(written)))
def test_a_recipe_is_read_or_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    read_or_refused(read_recipe, path)


cells = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["a.nii.gz", "../a.nii.gz", "/etc/passwd", "a\0.nii", ".", "..", "nan", "1e999", "-0", "3"]
    ),
    numbers.map(lambda number: f"{number:.3g}" if isinstance(number, float) else str(number)[:30]),
)
columns = st.lists(
    st.sampled_from(["id", "image", "label", "mask", "lesion_mask", "site", "group", "truth", "", "x"]),
    max_size=8,
)
tables = st.tuples(columns, st.lists(st.lists(cells, max_size=9), max_size=4)).map(
    lambda table: "\n".join(",".join(row) for row in (table[0], *table[1])).encode("utf-8", "surrogatepass")
)
valid_head = tables.map(lambda table: b"id,image,label,mask\n" + table)


@many
@given(content=st.one_of(raw, tables, valid_head), ending=st.sampled_from([".csv", ".tsv", ".parquet"]))
def test_a_manifest_is_read_or_refused(content: bytes, ending: str, tmp_path: Path) -> None:
    save(tmp_path / "a.nii.gz", brain(1))
    path = tmp_path / f"list{ending}"
    path.write_bytes(content)
    read_or_refused(read_cohort, path)
    read_or_refused(lambda: read_manifest(path, label="voxels", label_column="x", suffix=""))


def laughs(levels: int) -> str:
    """The billion laughs: ten to the power of `levels` words in a few hundred bytes."""
    lines = ["a0: &a0 [" + ", ".join(["ha"] * 10) + "]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        laughs(60),
        "a: &a {<<: *a}",
        "[" * 400_000,
        "{a: " * 200_000,
        "- " * 400_000,
        "? " * 400_000,
        "!!python/object/apply:os.system [true]",
        "!!python/object/new:type [x, [], {}]",
        "x: !!int 3",
        f"x: {'9' * 50_000}",
    ],
    ids=lambda text: text[:12],
)
def test_bombs_and_tags_cost_nothing(text: str) -> None:
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises(BadInput):
        parse_yaml(text, "bomb")
    seconds, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Refused at the first anchor, tag or level too many; what is left is reading at most this many bytes.
    assert len(text) < MOST_BYTES
    assert peak < 32 * MOST_BYTES
    assert seconds < 10


def test_plain_yaml_of_any_allowed_depth_is_read() -> None:
    assert parse_yaml("[" * MOST_LEVELS + "]" * MOST_LEVELS, "deep")
    assert parse_yaml("a: 1e-5\nb: 2026-01-01\nc: '<<'\n", "x") == {"a": 1e-5, "b": "2026-01-01", "c": "<<"}
