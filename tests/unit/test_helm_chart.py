"""The Helm chart, by Helm's own engine: linted, rendered with several values, and each manifest checked against Kubernetes' API.

No cluster takes part. What only a cluster shows (scheduling, an adapter for the autoscaler) is not tested.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from shared.config.settings import Settings
from shared.contracts.access import ACCESS, redis_user
from tests.support.python_module import ROOT

helm = pytest.importorskip("helm_python", reason="helm-python-sdk is not in the lock yet")
kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not in the lock yet")
yaml = pytest.importorskip("yaml")

CHART = ROOT / "config" / "helm" / "shoal"
VERSIONS = ("1.27", "1.34")
SETS: list[dict[str, Any]] = [
    {"name": "default", "capacity": 25},
    {
        "name": "eu-1",
        "groups": ["eu-1"],
        "redisGroup": "eu-1",
        "keysSecret": "keys-eu-1",
        "proxySecret": "proxy-eu-1",
        "hpa": {"enabled": True, "minReplicas": 2, "maxReplicas": 5},
    },
    {"name": "us", "groups": ["us-1", "us-2"], "bind": "203.0.113.7", "nodeSelector": {"address": "us"}, "replicas": 3},
]
FULL: dict[str, Any] = {
    "image": {"repository": "registry.example/shoal", "tag": "1.2.3", "pullSecrets": ["registry"]},
    "config": {"files": {"strategy.toml": 'name = "none"\n', "users/alice.toml": "", "groups/eu-1.toml": "[limits]\n"}},
    "redis": {"caFile": True, "port": 6380},
    "master": {"keysSecret": "keys-master", "tolerations": [{"operator": "Exists"}]},
    "executors": SETS,
    "notifier": {"enabled": True, "urlsSecret": "notify"},
    "networkPolicy": {"redis": [{"ipBlock": {"cidr": "10.0.0.5/32"}}], "apiFrom": [{"podSelector": {}}]},
    "podAnnotations": {"a": "b"},
}


def render(values: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    with helm.Chart.load(CHART) as chart:
        texts = chart.render(values or {}, name="shoal", namespace="trading")
    assert texts.pop("shoal/templates/NOTES.txt")
    return [document for text in texts.values() for document in yaml.safe_load_all(text) if document]


def of_kind(manifests: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] == kind}


def containers(manifests: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for name, each in of_kind(manifests, "Deployment").items():
        pod = each["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        yield name, pod, container


@pytest.fixture(scope="module")
def full() -> list[dict[str, Any]]:
    return render(FULL)


@pytest.mark.parametrize("values", [{}, FULL])
def test_helm_finds_nothing_to_complain_about(values: dict[str, Any]) -> None:
    found = helm.lint(CHART, values, strict=True, namespace="trading")
    assert found["errors"] == []
    assert [each["error"] for each in found["messages"]] == ["icon is recommended"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("values", [{}, FULL, {"executors": [], "networkPolicy": {"enabled": False}, "mode": "paper"}])
def test_every_manifest_is_one_that_kubernetes_knows(values: dict[str, Any], version: str) -> None:
    manifests = render(values)
    assert len(manifests) > 5
    for each in manifests:
        kubernetes_validate.validate(each, version, strict=True)
    names = [(each["kind"], each["metadata"]["name"]) for each in manifests]
    assert len(set(names)) == len(names)


def test_what_is_deployed(full: list[dict[str, Any]]) -> None:
    replicas = {name: each["spec"].get("replicas") for name, each in of_kind(full, "Deployment").items()}
    assert replicas == {
        "shoal-master-strategy": 2,
        "shoal-copy-engine": 2,
        "shoal-executor-default": 1,
        "shoal-executor-eu-1": None,  # the autoscaler's
        "shoal-executor-us": 3,
        "shoal-api": 1,
        "shoal-notifier": 1,
    }
    assert set(of_kind(full, "PodDisruptionBudget")) == set(replicas) - {"shoal-notifier"}
    assert set(of_kind(full, "HorizontalPodAutoscaler")) == {"shoal-executor-eu-1"}


def test_no_pod_runs_as_root_or_writes_its_image(full: list[dict[str, Any]]) -> None:
    found = list(containers(full))
    assert len(found) == 7
    for name, pod, container in found:
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] == 10001, name
        assert pod["automountServiceAccountToken"] is False, name
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        writable = {each["name"] for each in container["volumeMounts"] if not each.get("readOnly")}
        assert writable == {"tmp"}, name


def test_selectors_find_the_pods_of_their_deployment_alone(full: list[dict[str, Any]]) -> None:
    pods = {name: each["spec"]["template"]["metadata"]["labels"] for name, each in of_kind(full, "Deployment").items()}
    wanted = [*of_kind(full, "Deployment").items(), *of_kind(full, "PodDisruptionBudget").items()]
    for name, each in wanted:
        selector = each["spec"]["selector"]["matchLabels"].items()
        assert [pod for pod, labels in pods.items() if selector <= labels.items()] == [name]
    selector = of_kind(full, "Service")["shoal-api"]["spec"]["selector"].items()
    assert [pod for pod, labels in pods.items() if selector <= labels.items()] == ["shoal-api"]


def test_each_service_has_its_own_redis_user(full: list[dict[str, Any]]) -> None:
    secrets = {
        name: each["secret"]["secretName"]
        for name, pod, _ in containers(full)
        for each in pod["volumes"]
        if each["name"] == "redis"
    }
    assert secrets == {
        "shoal-master-strategy": "shoal-redis-master-strategy",
        "shoal-copy-engine": "shoal-redis-copy-engine",
        "shoal-executor-default": "shoal-redis-executor",
        "shoal-executor-eu-1": "shoal-redis-executor-eu-1",
        "shoal-executor-us": "shoal-redis-executor",
        "shoal-api": "shoal-redis-api",
        "shoal-notifier": "shoal-redis-notifier",
    }
    known = {*ACCESS, redis_user("executor", "eu-1")}
    assert {each.removeprefix("shoal-redis-") for each in secrets.values()} == known


def test_keys_reach_those_that_sign_with_them_alone(full: list[dict[str, Any]]) -> None:
    given = {
        name: [each["secretRef"]["name"] for each in container.get("envFrom", ())]
        for name, _, container in containers(full)
    }
    assert {name: names for name, names in given.items() if names} == {
        "shoal-master-strategy": ["keys-master"],
        "shoal-executor-eu-1": ["keys-eu-1", "proxy-eu-1"],
    }
    by_key = {
        (name, each["name"], each["valueFrom"]["secretKeyRef"]["name"])
        for name, _, container in containers(full)
        for each in container["env"]
        if "valueFrom" in each
    }
    assert by_key == {("shoal-notifier", "NOTIFY_URLS", "notify")}


def test_environment_is_what_services_know(full: list[dict[str, Any]]) -> None:
    known = {name.upper() for name in Settings.model_fields} | {"NOTIFY_URLS"}
    for name, _, container in containers(full):
        assert {each["name"] for each in container["env"]} <= known, name
    groups = {
        name: each["value"]
        for name, _, container in containers(full)
        for each in container["env"]
        if each["name"] in {"EXECUTOR_GROUPS", "VENUE_BIND"}
    }
    assert groups == {"shoal-executor-eu-1": "eu-1", "shoal-executor-us": "203.0.113.7"}


def test_probes_are_the_health_command_and_redis_away_restarts_nothing(full: list[dict[str, Any]]) -> None:
    for name, _, container in containers(full):
        service = re.sub(r"^shoal-|(?<=executor)-.*", "", name)
        if service == "api":
            assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
            continue
        for probe in ("startupProbe", "readinessProbe"):
            assert container[probe]["exec"]["command"][1:] == ["-m", "services.ops", "health", service, "--here"], name
        if service == "master-strategy":
            assert "livenessProbe" not in container
        else:
            script = container["livenessProbe"]["exec"]["command"][2]
            assert script == f"python -m services.ops health {service} --here || [ $? -ne 1 ]"


def test_files_are_where_their_path_says(full: list[dict[str, Any]]) -> None:
    (data,) = (each["data"] for each in of_kind(full, "ConfigMap").values())
    for name, pod, container in containers(full):
        (volume,) = (each for each in pod["volumes"] if each["name"] == "config")
        paths = {each["path"]: data[each["key"]] for each in volume["configMap"]["items"]}
        assert set(paths) == set(FULL["config"]["files"]), name
        assert paths["strategy.toml"] == 'name = "none"\n'
        assert {"name": "config", "mountPath": "/app/config", "readOnly": True} in container["volumeMounts"]


def test_nothing_comes_in_and_only_those_that_sign_reach_the_exchanges(full: list[dict[str, Any]]) -> None:
    policies = of_kind(full, "NetworkPolicy")
    everything = policies["shoal-all"]["spec"]
    assert (everything["policyTypes"], everything["ingress"]) == (["Ingress", "Egress"], [])
    assert everything["egress"][1] == {
        "ports": [{"port": 6380, "protocol": "TCP"}],
        "to": [{"ipBlock": {"cidr": "10.0.0.5/32"}}],
    }
    (who,) = policies["shoal-venues"]["spec"]["podSelector"]["matchExpressions"]
    assert who["values"] == ["master-strategy", "executor-default", "executor-eu-1", "executor-us"]
    assert policies["shoal-api"]["spec"]["ingress"][0]["from"] == [{"podSelector": {}}]
    assert "shoal-api" not in of_kind(render(), "NetworkPolicy")


def test_the_autoscaler_counts_the_users_of_its_groups(full: list[dict[str, Any]]) -> None:
    spec = of_kind(full, "HorizontalPodAutoscaler")["shoal-executor-eu-1"]["spec"]
    (metric,) = spec["metrics"]
    assert metric["external"]["metric"] == {
        "name": "shoal_group_users",
        "selector": {"matchLabels": {"group": "eu-1"}},
    }
    assert metric["external"]["target"] == {"type": "AverageValue", "averageValue": "10"}
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 5)


@pytest.mark.parametrize(
    "values",
    [
        {"replicas": 2},
        {"executors": [{"group": "eu-1", "name": "x"}]},
        {"executors": [{"groups": ["EU_1"], "name": "x"}]},
        {"mode": "real"},
        {"config": {"files": {"../x": ""}}},
        {"master": {"key": "secret"}},
    ],
)
def test_a_misspelt_value_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(helm.HelmError):
        render(values)


def test_a_notifier_needs_its_secret() -> None:
    with pytest.raises(helm.HelmError, match=r"notifier\.urlsSecret names the secret with NOTIFY_URLS"):
        render({"notifier": {"enabled": True}})
