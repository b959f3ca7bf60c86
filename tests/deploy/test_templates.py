"""The templates under deploy/, as far as they can be tried without a cluster."""

import json
import shutil
import subprocess
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import ray
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
KUBERNETES = "1.31"


def documents(name):
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def test_ray_takes_the_cluster_s_file_as_ray_up_reads_it():
    from ray.autoscaler._private.util import prepare_config, validate_config

    [content] = documents("ray-up.yaml")
    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text())
    jsonschema.validate(content, schema)
    prepared = prepare_config(content)
    validate_config(prepared)
    [node] = prepared["available_node_types"].values()
    assert node["min_workers"] == len(content["provider"]["worker_ips"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**content, "providers": {}}, schema)


@pytest.mark.parametrize("commands", ["head_start_ray_commands", "worker_start_ray_commands"])
def test_no_machine_of_ray_up_starts_without_the_token(commands):
    [content] = documents("ray-up.yaml")
    starts = [command for command in content[commands] if "ray start" in command]
    assert len(starts) == 1
    assert starts[0].startswith("RAY_AUTH_MODE=token ")
    assert "~/.ray/auth_token" in content["file_mounts"]


def ray_job():
    return next(document for document in documents("kuberay.yaml") if document["kind"] == "RayJob")


def pods():
    cluster = ray_job()["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    header = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "setsum"}}
    return [header | group["template"] for group in groups]


def test_kubernetes_knows_every_field_of_the_claim_and_the_pods():
    claim = next(document for document in documents("kuberay.yaml") if document["kind"] != "RayJob")
    assert len(pods()) == 2
    for document in (claim, *pods()):
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    wrong = {**claim, "spec": {**claim["spec"], "accessMode": "ReadWriteMany"}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES, strict=True)


def test_every_pod_mounts_the_claim_where_the_study_is_written_and_what_it_mounts_is_there():
    claim = next(document for document in documents("kuberay.yaml") if document["kind"] != "RayJob")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    for pod in pods():
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        [container] = pod["spec"]["containers"]
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        assert set(mounts.values()) == set(volumes)
        shared = volumes[mounts["/shared"]]
        assert shared["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert "--out /shared/" in ray_job()["spec"]["entrypoint"]


def test_the_job_s_token_comes_from_a_secret_and_stands_in_no_file():
    authentication = ray_job()["spec"]["rayClusterSpec"]["authOptions"]
    assert authentication == {"mode": "token", "secretName": "setsum-token"}
    assert {document["kind"] for document in documents("kuberay.yaml")} == {"PersistentVolumeClaim", "RayJob"}


def test_every_template_runs_the_ray_that_the_package_is_pinned_to():
    [pinned] = [
        line.partition("==")[2]
        for line in (DEPLOY.parent / "constraints.txt").read_text().splitlines()
        if line.startswith("ray==")
    ]
    assert ray_job()["spec"]["rayClusterSpec"]["rayVersion"] == pinned
    assert f"rayproject/ray:{pinned}-" in (DEPLOY / "Dockerfile").read_text()


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not installed")
def test_kubectl_makes_the_secret_and_the_study_file_as_the_template_says(tmp_path):
    (tmp_path / "study.yaml").write_text("budget: {trials: 4}\n")
    made = {}
    for line in (DEPLOY / "kuberay.yaml").read_text().splitlines():
        if line.startswith("#   kubectl create "):
            command = f"{line.removeprefix('#')} --dry-run=client -o yaml"
            done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, check=True)
            document = yaml.safe_load(done.stdout)
            kubernetes_validate.validate(document, KUBERNETES, strict=True)
            made[document["kind"]] = document
    assert made["Secret"]["metadata"]["name"] == "setsum-token"
    assert len(made["Secret"]["data"]["auth_token"]) > 80
    head = pods()[0]["spec"]["volumes"]
    assert {"name": made["ConfigMap"]["metadata"]["name"]} in [volume.get("configMap") for volume in head]
    assert "study.yaml" in made["ConfigMap"]["data"]
