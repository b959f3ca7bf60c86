"""A database's password is in the environment and in no file, report or message."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from optuna.storages import RDBStorage
from sqlalchemy.engine import make_url

from study.badinput import BadInput
from study.password import expand, has_password, mask
from study.settings import read_settings, validate_settings
from study.sweep import stored
from study.sweep.stored import open_storage

SECRET = "hunter2/§@:%#"
LITERAL = [
    "postgresql://ann:hunter2@db/setsum",
    "postgresql+psycopg://:hunter2@db/setsum",
    "mysql://ann:hunt@er2@db:3306/setsum",
    "mysql://ann:hunter 2@db/setsum",
    "postgresql://ann:hunter2${PW}@db/setsum",
    "postgresql://db/setsum?user=ann&password=hunter2",
    "postgresql://db/setsum?sslpassword=hunter2&user=ann",
]
HARMLESS = [
    "postgresql://ann:${PW}@db:5432/setsum",
    "postgresql://ann@db/setsum",
    "postgresql://db:5432/setsum?user=ann",
    "postgresql://db/setsum?password=${PW}",
    "sqlite:////data/a@b.db",
    "${SETSUM_STORAGE}",
]


@pytest.mark.parametrize("url", LITERAL)
def test_a_password_in_a_study_file_is_refused_without_being_shown(url, tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump({"format": 1, "search": {"storage": url}}))
    for read in (lambda: read_settings(file), lambda: read_settings(None, [f"search.storage={url}"])):
        with pytest.raises(BadInput, match=r"`search.storage` holds a password.*Write \$\{NAME\}") as refused:
            read()
        assert "hunt" not in str(refused.value)


@pytest.mark.parametrize("url", HARMLESS)
def test_a_variable_in_its_place_is_written_down_as_it_is(url):
    settings = read_settings(None, [f"search.storage={url}"])
    assert settings.search.storage == url
    assert not has_password(url)
    assert mask(url) == url


@pytest.mark.parametrize(
    "fields",
    [
        ["search.storage=[postgresql://ann:hunter2@db/setsum]"],
        ["search=postgresql://ann:hunter2@db/setsum"],
        ["search.storage={postgresql://ann:hunter2@db/setsum"],
        ["search.stoarge=postgresql://ann:hunter2@db/setsum"],
        ["=postgresql://ann:hunter2@db/setsum"],
    ],
)
def test_what_else_is_wrong_with_a_field_is_said_without_the_password(fields):
    with pytest.raises(BadInput) as refused:
        read_settings(None, fields)
    assert "hunter2" not in str(refused.value)
    assert "***" in str(refused.value)


@given(st.text(min_size=1).filter(lambda text: "\0" not in text and text.isprintable()))
@example(SECRET)
@example("${OTHER}")
def test_any_password_reaches_the_database_as_it_is(secret):
    with pytest.MonkeyPatch.context() as patch:
        try:
            patch.setenv("PW", secret)
        except UnicodeEncodeError:
            return
        url, secrets = expand("postgresql://ann:${PW}@db:5432/setsum")
        parsed = make_url(url)
    assert (parsed.username, parsed.password, parsed.host, parsed.port) == ("ann", secret, "db", 5432)
    assert secret in secrets


def test_an_unset_variable_is_bad_input(monkeypatch):
    monkeypatch.delenv("PW", raising=False)
    with pytest.raises(BadInput, match=r"search.storage: .*\$\{PW\}.*environment variable PW is not set"):
        open_storage("postgresql://ann:${PW}@db/setsum")


@pytest.mark.parametrize("url", ["postgresql://ann:${PW}@db/setsum", "${WHOLE}"])
def test_a_driver_that_quotes_the_password_is_masked(monkeypatch, url):
    monkeypatch.setenv("PW", SECRET)
    monkeypatch.setenv("WHOLE", "postgresql://ann:hunter2%2Fx@db/setsum")

    def fail(opened):
        raise RuntimeError(f"cannot connect with {opened}: {SECRET} {make_url(opened).password} refused")

    monkeypatch.setattr(stored, "RDBStorage", fail)
    with pytest.raises(BadInput, match="storage cannot be opened") as refused:
        open_storage(url)
    assert "hunter2" not in str(refused.value).replace(SECRET, "" if url == "${WHOLE}" else SECRET)
    assert refused.value.__cause__ is None
    assert url.removeprefix("postgresql") in str(refused.value)


def test_a_real_driver_s_failure_is_one_line_without_the_password(monkeypatch):
    monkeypatch.setenv("PW", SECRET)
    with pytest.raises(BadInput) as refused:
        open_storage("nosuchdb://ann:${PW}@db/setsum")
    assert "hunter2" not in str(refused.value)


def test_a_database_opens_with_a_variable_in_its_url(monkeypatch, tmp_path):
    monkeypatch.setenv("FOLDER", str(tmp_path))
    assert isinstance(open_storage("sqlite:///${FOLDER}/study.db"), RDBStorage)
    assert (tmp_path / "study.db").exists()


def test_an_old_study_with_a_password_is_refused_without_being_shown():
    settings = json.loads(read_settings(None).model_dump_json())
    settings["search"]["storage"] = LITERAL[0]
    with pytest.raises(BadInput, match="holds a password") as refused:
        validate_settings(settings, str(Path("study.yaml")))
    assert "hunter2" not in str(refused.value)
