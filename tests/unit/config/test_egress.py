"""From which address, and through which proxy, a process connects to venues."""

from __future__ import annotations

import pytest

from shared.config.errors import ConfigurationError
from shared.config.settings import load_settings
from shared.config.venue.egress import Egress, read_bind


def test_without_a_setting_the_system_chooses(env: pytest.MonkeyPatch) -> None:
    assert load_settings().egress == Egress()
    assert Egress().name == ""
    Egress().require_usable()


def test_an_address_and_a_proxy_are_named_without_the_password(env: pytest.MonkeyPatch) -> None:
    env.setenv("VENUE_BIND", "127.0.0.3")
    env.setenv("VENUE_PROXY", "http://name:hunter22@proxy.example:3128")
    assert load_settings().egress.name == "proxy.example:3128@127.0.0.3"
    env.delenv("VENUE_PROXY")
    assert load_settings().egress.name == "127.0.0.3"


@pytest.mark.parametrize("text", ["eth0", "0.0.0.0", "::", "127.0.0.1:80", "224.0.0.1", "10.0.0.0/8"])
def test_what_is_no_address_stops_the_start(env: pytest.MonkeyPatch, text: str) -> None:
    env.setenv("VENUE_BIND", text)
    with pytest.raises(ConfigurationError, match=r"^VENUE_BIND: VENUE_BIND is an IP address of this machine"):
        load_settings()


def test_an_address_of_another_machine_stops_the_start() -> None:
    Egress(bind=read_bind("127.0.0.9")).require_usable()
    with pytest.raises(
        ConfigurationError, match=r"^VENUE_BIND is 192\.0\.2\.1, from which this machine cannot connect"
    ):
        Egress(bind=read_bind("192.0.2.1")).require_usable()


def test_groups_are_a_list_of_names(env: pytest.MonkeyPatch) -> None:
    env.setenv("EXECUTOR_GROUPS", "eu-1, us")
    assert load_settings().executor_groups == ("eu-1", "us")
    env.setenv("EXECUTOR_GROUPS", "eu_1")
    with pytest.raises(ConfigurationError, match=r"^EXECUTOR_GROUPS: the name of a group has up to 32"):
        load_settings()
