"""The Helm chart's pods: no root, no key and no Redis user that is not theirs, no way in, and no restart that mends nothing."""

from __future__ import annotations

import re
from typing import Any

import helm_python as helm
import pytest

from shared.config.settings import Settings
from shared.contracts.access import ACCESS, redis_user
from tests.unit.helm.chart import FULL, containers, of_kind, render


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


def test_nothing_comes_in_and_only_those_that_sign_reach_the_exchanges(full: list[dict[str, Any]]) -> None:
    policies = of_kind(full, "NetworkPolicy")
    everything = policies["shoal-all"]["spec"]
    assert (everything["policyTypes"], everything["ingress"]) == (["Ingress", "Egress"], [])
    assert everything["egress"][1] == {
        "ports": [{"port": 6380, "protocol": "TCP"}, {"port": 26379, "protocol": "TCP"}],
        "to": [{"ipBlock": {"cidr": "10.0.0.5/32"}}],
    }
    (who,) = policies["shoal-venues"]["spec"]["podSelector"]["matchExpressions"]
    assert who["values"] == ["master-strategy", "executor-default", "executor-eu-1", "executor-us"]
    assert policies["shoal-api"]["spec"]["ingress"][0]["from"] == [{"podSelector": {}}]
    assert "shoal-api" not in of_kind(render(), "NetworkPolicy")


def test_with_a_claim_the_api_alone_may_write_the_users_files() -> None:
    manifests = render(FULL | {"config": {"existingClaim": "shoal-config"}})
    for name, pod, container in containers(manifests):
        assert {"name": "config", "persistentVolumeClaim": {"claimName": "shoal-config"}} in pod["volumes"]
        writable = [each for each in container["volumeMounts"] if each["name"] == "config" and not each.get("readOnly")]
        users = {"name": "config", "mountPath": "/app/config/users", "subPath": "users"}
        assert writable == ([users] if name == "shoal-api" else [])
    assert of_kind(manifests, "ConfigMap") == {}


def test_a_groups_redis_user_serves_no_other_users() -> None:
    for groups in ([], ["us-1"], ["eu-1", "us-1"]):
        with pytest.raises(helm.HelmError, match=r"redisGroup is eu-1, .* so groups must be \[eu-1\]"):
            render({"executors": [{"name": "x", "redisGroup": "eu-1", "groups": groups}]})
