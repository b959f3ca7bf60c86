"""What keeps a dashboard from being shown is one line; shown, it is in tests/integration/test_study.py."""

import json
import socket
import sys

import optuna
import pytest

from study.pipeline.dashboard import looking_only
from study.record import StudyDirectory, write_json, write_yaml
from study.settings import read_settings
from study.sweep.stored import open_storage


@pytest.fixture
def study(tmp_path):
    """A study directory as far as a dashboard reads it, without a search."""
    directory = StudyDirectory(tmp_path / "study")
    write_yaml(directory.settings, read_settings(None).model_dump(mode="json"))
    write_json(directory.provenance, {"name": "study-1234"})
    return directory


def test_a_search_that_has_not_begun_is_said(study, refuse):
    assert "the search has not begun" in refuse("dashboard", study.root, "--port", 0)
    storage = open_storage(study.journal)
    assert "the search has not begun" in refuse("dashboard", study.root, "--port", 0)
    optuna.create_study(study_name="somebody else's", storage=storage)
    assert "the search has not begun" in refuse("dashboard", study.root, "--port", 0)


def test_a_port_that_is_taken_is_said(study, refuse):
    optuna.create_study(study_name="base", storage=open_storage(study.journal))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert f"--port {port}: cannot be listened on" in refuse("dashboard", study.root, "--port", port)


def test_a_series_says_which_folders_it_has(tmp_path, refuse):
    for name in ("mse", "mae"):
        (tmp_path / "series" / name).mkdir(parents=True)
        (tmp_path / "series" / name / "study.yaml").touch()
    (tmp_path / "series" / "series.yaml").touch()
    assert refuse("dashboard", tmp_path / "series").endswith("Name one of the folders in it: mae, mse")


def test_a_missing_dashboard_names_the_extra_that_brings_it(study, refuse, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    assert "pip install 'setsum[dashboard]'" in refuse("dashboard", study.root)


@pytest.mark.parametrize(
    ("method", "host", "status"),
    [
        ("GET", "127.0.0.1:8080", "200 OK"),
        ("HEAD", "localhost:8080", "200 OK"),
        ("POST", "127.0.0.1:8080", "405 Method Not Allowed"),
        ("PUT", "localhost", "405 Method Not Allowed"),
        ("GET", "rebound.example:8080", "403 Forbidden"),
        ("GET", "", "403 Forbidden"),
    ],
)
def test_only_questions_from_this_machine_are_answered(method, host, status):
    told = []

    def application(environ, start_response):
        start_response("200 OK", [])
        return [b"{}"]

    environ = {"REQUEST_METHOD": method, "HTTP_HOST": host}
    body = looking_only(application)(environ, lambda line, headers: told.append(line))
    assert told == [status]
    assert isinstance(json.loads(b"".join(body)), dict)
