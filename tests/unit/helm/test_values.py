"""The Helm chart refuses values that it does not know, or that cannot work, before anything is installed."""

from __future__ import annotations

from typing import Any

import helm_python as helm
import pytest

from tests.unit.helm.chart import FULL, containers, render


@pytest.mark.parametrize(
    "values",
    [
        {"replicas": 2},
        {"executors": [{"group": "eu-1", "name": "x"}]},
        {"executors": [{"groups": ["EU_1"], "name": "x"}]},
        {"mode": "real"},
        {"configSource": "database"},
        {"config": {"files": {"../x": ""}}},
        {"master": {"key": "secret"}},
    ],
)
def test_a_misspelt_value_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(helm.HelmError):
        render(values)


@pytest.mark.parametrize("source", ["files", "redis"])
def test_every_service_reads_the_settings_of_users_from_one_source(source: str) -> None:
    found = {
        each["value"]
        for _, _, container in containers(render({**FULL, "configSource": source}))
        for each in container["env"]
        if each["name"] == "SHOAL_CONFIG_SOURCE"
    }
    assert found == {source}


def test_a_notifier_needs_its_secret() -> None:
    with pytest.raises(helm.HelmError, match=r"notifier\.urlsSecret names the secret with NOTIFY_URLS"):
        render({"notifier": {"enabled": True}})
