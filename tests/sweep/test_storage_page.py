"""The commands of docs/storage.md that need servers, word for word but for the servers' names."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from clusters import ROOT, cluster
from conftest import PASSWORD
from optuna import get_all_study_names

from study.sweep.stored import open_storage

PAGE = (ROOT / "docs" / "storage.md").read_text()
STUDY = {
    "format": 1,
    "arms": ["base"],
    "phantom": {"scans": 26, "shape": [12, 12, 12]},
    "preprocessing": {"shape": [8, 8, 8]},
    "split": {"test": 6},
    "budget": {"trials": 2, "presentations": 40},
    "training": {"reports": 2},
    "confirm": {"top": 1, "seeds": 1},
}


def commands(reason):
    """The block that is not run for this reason."""
    return PAGE.split(f"<!-- not run: {reason} -->\n```sh\n")[1].split("```")[0]


def run(text, folder, environment, **instead):
    """Run commands in a folder that has a study file, with something in the place of names."""
    for name, value in instead.items():
        assert name in text
        text = text.replace(name, value)
    folder.mkdir()
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=folder,
        env=environment | {"PATH": path, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert (folder / "my-study" / "export" / "base" / "model.safetensors").exists()
    return folder / "my-study"


@pytest.mark.slow
def test_a_cluster_s_study_keeps_its_checkpoints_in_a_bucket(bucket, aws, tmp_path):
    with cluster(tmp_path) as nodes:
        nodes.head("--num-cpus=2")
        study = run(
            commands("needs a bucket"),
            tmp_path / "reader",
            nodes.environment,
            **{
                "AWS_ACCESS_KEY_ID=...": "AWS_ACCESS_KEY_ID=tester",
                "AWS_SECRET_ACCESS_KEY=...": f"AWS_SECRET_ACCESS_KEY={aws}",
                "--address auto": f"--address {nodes.address}",
                "s3://my-bucket": bucket,
            },
        )
    assert f"{bucket}/setsum" in (study / "study.yaml").read_text()
    assert not list(study.rglob("state.pt"))


@pytest.mark.slow
def test_a_search_is_kept_in_a_database(database, tmp_path):
    study = run(
        commands("needs a PostgreSQL server"),
        tmp_path / "reader",
        dict(os.environ),
        **{
            "PGPASS=...": f"PGPASS={shlex.quote(os.environ[PASSWORD])}",
            "db.example:5432/setsum": database.url.rpartition("@")[2],
        },
    )
    assert not (study / "optuna.journal").exists()
    assert any(name.startswith("my-study") for name in get_all_study_names(open_storage(database.url)))
