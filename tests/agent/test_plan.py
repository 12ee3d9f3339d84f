"""From settings and surroundings to uplinks and instances."""

import pytest

from agent import plan as planning
from agent.config import parse
from agent.plan import plan, resolve_uplinks
from agent.settings import AgentSettings
from collectors import KINDS, Kind
from collectors.machine import Machine
from collectors.site import Context, Link, Route, Surroundings, Uplink
from tests.agent.collectors_for_tests import Testing

TWO = Surroundings(
    routes=(
        Route(4, "wlan0", "192.168.2.1", 600),
        Route(4, "eth0", "192.168.1.1", 100),
        Route(6, "eth0", "fe80::1", 100),
        Route(4, "ppp0", None, 700),
    )
)


def found(*links: Link, around: Surroundings = TWO) -> list[tuple[str, str | None, str | None]]:
    return [(uplink.name, uplink.interface, uplink.gateway) for uplink in resolve_uplinks(links, around)]


def test_without_configuration_one_link_per_default_route_the_best_first() -> None:
    assert found() == [("eth0", "eth0", "192.168.1.1"), ("wlan0", "wlan0", "192.168.2.1"), ("ppp0", "ppp0", None)]
    assert found(around=Surroundings()) == []


def test_a_configured_link_leaves_by_its_interface_or_is_the_routers() -> None:
    assert found(Link(name="internet", interface="wlan0"), Link(name="tslcd", beacons=("10.0.0.10",))) == [
        ("internet", "wlan0", "192.168.2.1"),
        ("tslcd", None, None),
    ]


def test_a_single_link_is_the_default_route_unless_a_device_has_it() -> None:
    assert found(Link(name="internet")) == [("internet", "eth0", "192.168.1.1")]
    assert found(Link(name="internet", device="router-1")) == [("internet", None, None)]
    assert found(Link(name="internet"), around=Surroundings()) == [("internet", None, None)]


def test_a_gateway_that_is_named_or_denied() -> None:
    assert found(Link(name="a", interface="eth0", gateway="192.168.1.254")) == [("a", "eth0", "192.168.1.254")]
    assert found(Link(name="a", interface="eth0", gateway=None)) == [("a", "eth0", None)]
    assert found(Link(name="a", interface="eth9")) == [("a", "eth9", None)]


def context(settings: AgentSettings, uplinks: tuple[Uplink, ...] = ()) -> Context:
    return Context(Machine(), settings.core.site, TWO, uplinks)


@pytest.mark.parametrize(
    ("role", "left_out"),
    [
        ("full", set()),
        ("sensor", {"links", "dns", "http", "tcp", "path", "bandwidth", "conference", "lan", "snmp"}),
        ("hub", {"wifi", "mobile", "lan"}),
    ],
)
def test_roles(role: str, left_out: set[str], monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setattr(
        planning, "KINDS", [Kind(kind.name, None, None, (), lambda *_, name=kind.name: [Testing(name)]) for kind in KINDS]
    )
    settings = parse(tmp_path_factory.mktemp("c") / "agent.yaml", f"site: {{role: {role}}}", {})
    assert {collector.target for collector in plan(settings, context(settings))} == {kind.name for kind in KINDS} - left_out


async def test_a_kind_that_cannot_be_built_fails_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    def broken(*_: object) -> list[Testing]:
        message = "no such device"
        raise OSError(message)

    kinds = [Kind("host", None, None, (), broken), Kind("ping", None, None, (), lambda *_: [Testing("works")])]
    monkeypatch.setattr(planning, "KINDS", kinds)
    settings = parse(tmp_path_factory.mktemp("c") / "agent.yaml", "", {})
    failed, works = plan(settings, context(settings))
    assert (failed.kind, works.target) == ("host", "works")
    with pytest.raises(OSError, match="no such device"):
        await failed.collect()
    again = plan(settings, context(settings))[0]
    assert again.identity == failed.identity
