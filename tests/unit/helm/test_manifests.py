"""The Helm chart: linted, and each manifest checked against the API of Kubernetes; what is deployed, and what scales it.

No cluster takes part. What only a cluster shows (scheduling, an adapter for the autoscaler) is not tested.
"""

from __future__ import annotations

from typing import Any

import helm_python as helm
import kubernetes_validate
import pytest

from services.api.metrics import Metrics
from shared.domain.control import Control
from shared.ledger.status import SystemStatus
from tests.unit.helm.chart import CHART, FULL, NEWEST, OLDEST, SETS, containers, of_kind, render


@pytest.mark.parametrize("values", [{}, FULL])
def test_helm_finds_nothing_to_complain_about(values: dict[str, Any]) -> None:
    found = helm.lint(CHART, values, strict=True, namespace="trading")
    assert found["errors"] == []
    assert [each["error"] for each in found["messages"]] == ["icon is recommended"]


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
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


def test_selectors_find_the_pods_of_their_deployment_alone(full: list[dict[str, Any]]) -> None:
    pods = {name: each["spec"]["template"]["metadata"]["labels"] for name, each in of_kind(full, "Deployment").items()}
    wanted = [*of_kind(full, "Deployment").items(), *of_kind(full, "PodDisruptionBudget").items()]
    for name, each in wanted:
        selector = each["spec"]["selector"]["matchLabels"].items()
        assert [pod for pod, labels in pods.items() if selector <= labels.items()] == [name]
    selector = of_kind(full, "Service")["shoal-api"]["spec"]["selector"].items()
    assert [pod for pod, labels in pods.items() if selector <= labels.items()] == ["shoal-api"]


def test_files_are_where_their_path_says(full: list[dict[str, Any]]) -> None:
    (data,) = (each["data"] for each in of_kind(full, "ConfigMap").values())
    for name, pod, container in containers(full):
        (volume,) = (each for each in pod["volumes"] if each["name"] == "config")
        paths = {each["path"]: data[each["key"]] for each in volume["configMap"]["items"]}
        assert set(paths) == set(FULL["config"]["files"]), name
        assert paths["strategy.toml"] == 'name = "none"\n'
        assert {"name": "config", "mountPath": "/app/config", "readOnly": True} in container["volumeMounts"]


@pytest.mark.parametrize(
    ("executors", "groups", "target"),
    [
        (SETS[1], ["eu-1"], "9000m"),
        (SETS[2], ["us-1", "us-2"], "22500m"),
        ({"name": "default", "capacity": 1}, [""], "900m"),
    ],
)
def test_the_autoscaler_counts_the_users_of_its_groups(
    executors: dict[str, Any], groups: list[str], target: str
) -> None:
    hpa = {"enabled": True, "minReplicas": 2, "maxReplicas": 5}
    (scaler,) = of_kind(render({"executors": [executors | {"hpa": hpa}]}), "HorizontalPodAutoscaler").values()
    kubernetes_validate.validate(scaler, NEWEST, strict=True)
    (metric,) = scaler["spec"]["metrics"]
    assert metric["external"]["metric"] == {
        "name": "shoal_group_users",
        "selector": {"matchExpressions": [{"key": "group", "operator": "In", "values": groups}]},
    }
    assert metric["external"]["target"] == {"type": "AverageValue", "averageValue": target}
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (2, 5)


def test_the_autoscalers_metric_is_one_that_the_api_exports(full: list[dict[str, Any]]) -> None:
    (scaler,) = of_kind(full, "HorizontalPodAutoscaler").values()
    name = scaler["spec"]["metrics"][0]["external"]["metric"]["name"]
    assert f"\n# TYPE {name} gauge\n" in Metrics().render(SystemStatus((), (), (), "", Control()), []).decode()
