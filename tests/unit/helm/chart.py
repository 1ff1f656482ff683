"""Renders the chart with Helm's own engine, for several sets of values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import helm_python as helm
import yaml

from tests.support.python_module import ROOT

CHART: Final = ROOT / "config" / "helm" / "shoal"
OLDEST, NEWEST = "1.27", "1.37"
"""Versions of Kubernetes whose API the manifests are checked against: the first that the chart accepts, and the latest known."""
SETS: Final[list[dict[str, Any]]] = [
    {"name": "default", "capacity": 25},
    {
        "name": "eu-1",
        "groups": ["eu-1"],
        "redisGroup": "eu-1",
        "keysSecret": "keys-eu-1",
        "proxySecret": "proxy-eu-1",
        "hpa": {"enabled": True, "minReplicas": 2, "maxReplicas": 5},
    },
    {
        "name": "us",
        "groups": ["us-1", "us-2"],
        "bind": "203.0.113.7",
        "nodeSelector": {"address": "us"},
        "capacity": 25,
        "replicas": 3,
    },
]
FULL: Final[dict[str, Any]] = {
    "image": {"repository": "registry.example/shoal", "tag": "1.2.3", "pullSecrets": ["registry"]},
    "config": {"files": {"strategy.toml": 'name = "none"\n', "users/alice.toml": "", "groups/eu-1.toml": "[limits]\n"}},
    "redis": {"caFile": True, "port": 6380, "furtherPorts": [26379]},
    "master": {"keysSecret": "keys-master", "tolerations": [{"operator": "Exists"}]},
    "executors": SETS,
    "notifier": {"enabled": True, "urlsSecret": "notify"},
    "networkPolicy": {"redis": [{"ipBlock": {"cidr": "10.0.0.5/32"}}], "apiFrom": [{"podSelector": {}}]},
    "podAnnotations": {"a": "b"},
}


def render(values: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Return the manifests of the chart with these values. Raises HelmError."""
    with helm.Chart.load(CHART) as chart:
        texts = chart.render(values or {}, name="shoal", namespace="trading")
    assert texts.pop("shoal/templates/NOTES.txt")
    return [document for text in texts.values() for document in yaml.safe_load_all(text) if document]


def of_kind(manifests: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    """Return the manifests of a kind by their name."""
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] == kind}


def containers(manifests: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield name, pod and container of each Deployment."""
    for name, each in of_kind(manifests, "Deployment").items():
        pod = each["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        yield name, pod, container
