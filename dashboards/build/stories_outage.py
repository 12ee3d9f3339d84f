"""Stories of outages: each fires when it should, in the time of the contract, and not in a near miss."""

from __future__ import annotations

from dashboards.build.story import Series, Site, Story, change, growing, steady

A = Site()
TWO = Site(agents=("counter-1", "counter-2"), links=(("internet", "vnpt"), ("lte", "viettel")), carrier="")
OUTSIDE = Site(reachable=True)
HUB: list[Series] = [
    steady("commune_expected_agent", 'province="lam-dong", site="hub", instance="hub-1", role="hub", always_on="true"', 1),
    (
        "commune_agent_heartbeat_timestamp_seconds{" + 'job="commune-agent", province="lam-dong", site="hub", instance="hub-1"}',
        "0+10x360",
    ),
]
CUT = 180


def _province(count: int, dark: int, **more: str) -> list[Series]:
    """Sites of which the first ones fall silent together."""
    found: list[Series] = []
    for number in range(count):
        site = Site(commune=f"{20000 + number}", **more)  # type: ignore[arg-type]
        found += [*site.inventory(), site.lives(CUT if number < dark else 3600)]
    return found


def _lines(bad: dict[str, int], total: dict[str, int]) -> list[Series]:
    """Communes with one line each by carrier; the first ones of a carrier go down, told over another line."""
    found: list[Series] = []
    number = 30000
    for carrier, count in total.items():
        for order in range(count):
            number += 1
            site = Site(commune=str(number), area=f"a{number}", carrier="", links=(("internet", carrier),))
            state = ((1, CUT), (0, 1200)) if order < bad.get(carrier, 0) else ((1, 3600),)
            found += [*site.inventory(), site.lives(), change("commune_link_up", site.at(link="internet"), *state)]
    return found


def _portal(bad: int, good: int) -> list[Series]:
    found: list[Series] = []
    for number in range(bad + good):
        site = Site(commune=f"{40000 + number}")
        state = ((1, CUT), (0, 1200)) if number < bad else ((1, 3600),)
        found += [*site.inventory(), site.lives(), change("commune_http_success", site.at(target="portal", link=""), *state)]
    return found


def _device(name: str, kind: str, parent: str = "", always_on: str = "true") -> Series:
    labels = f'{A.place}, device="{name}", kind="{kind}", parent="{parent}", always_on="{always_on}"'
    return steady("commune_expected_device", labels, 1)


def _down(name: str, *parts: tuple[float, int]) -> Series:
    return change("commune_device_up", A.at(device=name), *parts)


STORIES = [
    Story(
        "site dark within 90 s: the router is seen to be down from outside",
        [*OUTSIDE.inventory(), *HUB, OUTSIDE.lives(CUT), OUTSIDE.seen((1, CUT), (0, 1200))],
        [(CUT, "SiteDark", 0), (CUT + 90, "SiteDark", 1), (CUT + 420, "SiteDark", 1), (CUT + 120, "SiteSilent", 0)],
    ),
    Story(
        "site dark resolves when the agent lives again",
        [
            *OUTSIDE.inventory(),
            *HUB,
            ("commune_agent_heartbeat_timestamp_seconds{" + OUTSIDE.at() + "}", f"0+10x{CUT // 10} _x31 {CUT + 320}+10x60"),
            OUTSIDE.seen((1, CUT), (0, 320), (1, 1200)),
        ],
        [(CUT + 310, "SiteDark", 1), (CUT + 340, "SiteDark", 0)],
    ),
    Story(
        "near miss: heartbeats stop but the router answers, so the computer is off and nobody is paged",
        [*OUTSIDE.inventory(), *HUB, OUTSIDE.lives(CUT), OUTSIDE.seen((1, 3600))],
        [(CUT + 120, "SiteDark", 0), (CUT + 420, "SiteDark", 0), (CUT + 420, "SiteSilent", 0), (CUT + 270, "AgentSilent", 1)],
    ),
    Story(
        "near miss: a stall of 35 s is no outage",
        [
            *OUTSIDE.inventory(),
            *HUB,
            ("commune_agent_heartbeat_timestamp_seconds{" + OUTSIDE.at() + "}", f"0+10x{CUT // 10} _x3 {CUT + 40}+10x60"),
            OUTSIDE.seen((1, 3600)),
        ],
        [(CUT + moment, "SiteDark", 0) for moment in (30, 50, 90, 120)],
    ),
    Story(
        "site dark within 120 s where the hub cannot look: both computers fell silent",
        [*TWO.inventory(), TWO.lives(CUT), TWO.lives(CUT, "counter-2")],
        [(CUT + 60, "SiteDark", 0), (CUT + 120, "SiteDark", 1), (CUT + 420, "SiteSilent", 0)],
    ),
    Story(
        "one of two computers is off: no outage, a ticket",
        [*TWO.inventory(), TWO.lives(CUT), TWO.lives(3600, "counter-2")],
        [(CUT + 420, "SiteDark", 0), (CUT + 420, "SiteSilent", 0), (CUT + 300, "AgentSilent", 1)],
    ),
    Story(
        "near miss: both computers live",
        [*TWO.inventory(), TWO.lives(), TWO.lives(3600, "counter-2")],
        [(400, "AgentSilent", 0), (400, "SiteDark", 0)],
    ),
    Story(
        "silent with unknown cause within 120 s: one agent alone behind NAT",
        [*A.inventory(), A.lives(CUT)],
        [(CUT + 60, "SiteSilent", 0), (CUT + 120, "SiteSilent", 1), (CUT + 120, "SiteDark", 0)],
    ),
    Story(
        "near miss: the province's engine has just been started and has heard nobody yet",
        A.inventory(),
        [(90, "SiteSilent", 0), (120, "SiteSilent", 1)],
    ),
    Story("near miss: silent for 60 s", [*A.inventory(), A.lives()], [(400, "SiteSilent", 0)]),
    Story(
        "computers that are switched off after work alarm nobody at night",
        [
            *A.inventory()[:1],
            steady("commune:site_open", A.place, 0),
            steady("commune_expected_agent", f'{A.place}, instance="counter-1", role="full", always_on="false"', 1),
            A.lives(CUT),
        ],
        [(CUT + 420, "SiteSilent", 0), (CUT + 420, "AgentSilent", 0)],
    ),
    Story(
        "uplink down within 45 s, told over another line",
        [*TWO.inventory(), TWO.lives(), change("commune_link_up", TWO.at(link="internet"), (1, CUT), (0, 1200))],
        [(CUT - 10, "UplinkDown", 0), (CUT + 30, "UplinkDown", 1), (CUT + 30, "SiteDark", 0)],
    ),
    Story(
        "near miss: link_up 0 that is merely remembered, since the site was cut off and delivers late",
        [*TWO.inventory(), TWO.lives(), change("commune_link_up", TWO.at(link="internet"), (1, CUT), (0, 20))],
        [(CUT + 220, "UplinkDown", 0), (CUT + 290, "UplinkDown", 0)],
    ),
    Story(
        "an uplink's gateway is down",
        [
            *TWO.inventory(),
            TWO.lives(),
            change("commune_link_up", TWO.at(link="internet"), (1, CUT), (0, 1200)),
            change("commune_link_gateway_up", TWO.at(link="internet"), (1, CUT), (0, 1200)),
        ],
        [(CUT + 20, "GatewayDown", 1), (CUT - 20, "GatewayDown", 0)],
    ),
    Story(
        "near miss: the gateway does not answer pings but the line works",
        [
            *TWO.inventory(),
            TWO.lives(),
            steady("commune_link_up", TWO.at(link="internet"), 1),
            steady("commune_link_gateway_up", TWO.at(link="internet"), 0),
        ],
        [(400, "GatewayDown", 0)],
    ),
    Story(
        "an uplink that flaps is told once",
        [
            *TWO.inventory(),
            TWO.lives(),
            change("commune_link_up", TWO.at(link="internet"), (1, 120), *[(number % 2, 40) for number in range(10)], (1, 600)),
        ],
        [(480, "UplinkFlapping", 1), (120, "UplinkFlapping", 0)],
    ),
    Story(
        "near miss: one outage in half an hour is no flapping",
        [*TWO.inventory(), TWO.lives(), change("commune_link_up", TWO.at(link="internet"), (1, 600), (0, 120), (1, 1800))],
        [(480, "UplinkFlapping", 0)],
    ),
    Story(
        "more than half of the province fell silent: the fault is at the province",
        _province(8, 6),
        [(CUT + 60, "ProvinceUnreachable", 1), (CUT, "ProvinceUnreachable", 0)],
    ),
    Story("near miss: half of the province", _province(8, 4), [(CUT + 300, "ProvinceUnreachable", 0)]),
    Story(
        "three of five sites of an area fell silent within minutes",
        _province(5, 3),
        [(CUT + 60, "AreaOutage", 1), (CUT, "AreaOutage", 0), (CUT + 400, "AreaOutage", 1)],
    ),
    Story("near miss: two of five sites of an area", _province(5, 2), [(CUT + 420, "AreaOutage", 0)]),
    Story(
        "near miss: three sites of an area that fell silent a quarter of an hour apart",
        [
            *_province(2, 0, area="da-lat"),
            *[
                series
                for number, moment in ((50001, 100), (50002, 800), (50003, 1500))
                for series in [*Site(commune=str(number)).inventory(), Site(commune=str(number)).lives(moment)]
            ],
        ],
        [(1600, "AreaOutage", 0)],
    ),
    Story(
        "a carrier's communes are cut off while its peers work",
        _lines({"vnpt": 4}, {"vnpt": 6, "viettel": 6}),
        [(CUT + 30, "CarrierOutage", 1), (CUT - 10, "CarrierOutage", 0)],
    ),
    Story(
        "near miss: two communes of a carrier",
        _lines({"vnpt": 2}, {"vnpt": 6, "viettel": 6}),
        [(CUT + 300, "CarrierOutage", 0), (CUT + 30, "UplinkDown", 2)],
    ),
    Story(
        "near miss: every carrier suffers alike, so it is none of them",
        _lines({"vnpt": 4, "viettel": 4}, {"vnpt": 6, "viettel": 6}),
        [(CUT + 300, "CarrierOutage", 0)],
    ),
    Story(
        "no name server answers",
        [
            *A.inventory(),
            A.lives(),
            *[
                change("commune_dns_success", A.at(server=name, query="x"), (1, CUT), (0, 1200))
                for name in ("10.0.0.1", "10.0.0.2")
            ],
        ],
        [(CUT + 40, "DnsDown", 1), (CUT - 10, "DnsDown", 0), (CUT + 60, "DnsServerFailing", 2)],
    ),
    Story(
        "near miss: one of two name servers",
        [
            *A.inventory(),
            A.lives(),
            change("commune_dns_success", A.at(server="10.0.0.1", query="x"), (1, CUT), (0, 1200)),
            steady("commune_dns_success", A.at(server="10.0.0.2", query="x"), 1),
        ],
        [(CUT + 420, "DnsDown", 0), (CUT + 60, "DnsServerFailing", 1), (CUT, "DnsServerFailing", 0)],
    ),
    Story(
        "near miss: names behind a line that has just come back",
        [
            *A.inventory(),
            A.lives(),
            change("commune_link_up", A.at(link="internet"), (1, CUT), (0, 120), (1, 1200)),
            change("commune_dns_success", A.at(server="10.0.0.1", query="x"), (1, CUT), (0, 200), (1, 1200)),
        ],
        [(CUT + 190, "DnsDown", 0), (CUT + 190, "DnsServerFailing", 0)],
    ),
    Story(
        "a dead zone within two scans",
        [*A.inventory(), A.lives(), change("commune_wifi_zone_dead", A.at(zone="Sân", ssid="CSC"), (0, CUT), (1, 1200))],
        [(CUT + 90, "WifiDeadZone", 1), (CUT + 30, "WifiDeadZone", 0)],
    ),
    Story(
        "near miss: another computer of the zone still hears the network",
        [
            *TWO.inventory(),
            TWO.lives(),
            steady("commune_wifi_zone_dead", TWO.at(zone="Sân", ssid="CSC"), 1),
            steady("commune_wifi_zone_dead", TWO.at("counter-2", zone="Sân", ssid="CSC"), 0),
        ],
        [(400, "WifiDeadZone", 0)],
    ),
    Story(
        "mains power is gone, then the battery",
        [
            *A.inventory(),
            A.lives(),
            change("commune_ups_on_battery", A.at(device="ups-1"), (0, CUT), (1, 1200)),
            change("commune_ups_runtime_seconds", A.at(device="ups-1"), (1800, CUT + 300), (500, 900)),
        ],
        [
            (CUT + 30, "UpsOnBattery", 1),
            (CUT - 10, "UpsOnBattery", 0),
            (CUT + 290, "UpsBatteryLow", 0),
            (CUT + 330, "UpsBatteryLow", 1),
        ],
    ),
    Story(
        "near miss: little runtime while mains power is there",
        [
            *A.inventory(),
            A.lives(),
            steady("commune_ups_on_battery", A.at(device="ups-1"), 0),
            steady("commune_ups_runtime_seconds", A.at(device="ups-1"), 300),
        ],
        [(400, "UpsBatteryLow", 0), (400, "UpsOnBattery", 0)],
    ),
    Story(
        "a switch is down with what hangs behind it",
        [
            *A.inventory(),
            A.lives(),
            _device("switch-1", "switch", "router-1"),
            _device("ap-1", "ap", "switch-1"),
            _down("switch-1", (1, CUT), (0, 1200)),
            _down("ap-1", (1, CUT), (0, 1200)),
        ],
        [(CUT + 90, "DeviceDown", 2), (CUT, "DeviceDown", 0), (CUT + 20, "DeviceSubtree", 2)],
    ),
    Story(
        "near miss: a printer that is switched off after work",
        [
            *A.inventory()[:1],
            steady("commune:site_open", A.place, 0),
            A.lives(),
            _device("printer-1", "printer", "switch-1", "false"),
            _down("printer-1", (1, CUT), (0, 1200)),
        ],
        [(CUT + 420, "DeviceDown", 0)],
    ),
    Story(
        "near miss: a device that answers holds nothing back",
        [*A.inventory(), _down("ap-1", (1, 3600))],
        [(600, "DeviceSubtree", 0)],
    ),
    Story(
        "the hub is silent",
        [HUB[0], (HUB[1][0], f"0+10x{CUT // 10}")],
        [(CUT + 120, "HubSilent", 1), (CUT, "HubSilent", 0)],
    ),
    Story("near miss: the hub lives", HUB, [(400, "HubSilent", 0)]),
]

PORTALS = [
    Story(
        "a portal is down for many communes: one alarm",
        _portal(4, 4),
        [(CUT + 50, "PortalDown", 1), (CUT, "PortalDown", 0), (CUT + 150, "PortalUnreachable", 4)],
    ),
    Story(
        "near miss: one commune alone cannot reach the portal",
        _portal(1, 7),
        [(CUT + 300, "PortalDown", 0), (CUT + 150, "PortalUnreachable", 1)],
    ),
    Story(
        "near miss: one failed request of a portal",
        [*A.inventory(), A.lives(), change("commune_http_success", A.at(target="portal", link=""), (1, CUT), (0, 120), (1, 600))],
        [(CUT + 110, "PortalUnreachable", 0), (CUT + 130, "PortalUnreachable", 0), (CUT + 200, "PortalUnreachable", 0)],
    ),
]

POWER = [
    Story(
        "a power cut is confirmed by unclean boots at three sites",
        [
            series
            for number in range(3)
            for site in [Site(commune=f"{60000 + number}")]
            for series in [
                *site.inventory(),
                change("commune_host_unclean_boots_total", site.at(), (1, 300), (2, 1800)),
                change("commune_host_boot_timestamp_seconds", site.at(), (0, 300), (290, 1800)),
            ]
        ],
        [(500, "AreaPowerCut", 1), (200, "AreaPowerCut", 0)],
    ),
    Story(
        "near miss: two sites booted",
        [
            series
            for number in range(2)
            for site in [Site(commune=f"{60000 + number}")]
            for series in [
                *site.inventory(),
                growing("commune_host_unclean_boots_total", site.at(), (0, 300), (0.01, 100), (0, 1200)),
                change("commune_host_boot_timestamp_seconds", site.at(), (0, 300), (290, 1800)),
            ]
        ],
        [(500, "AreaPowerCut", 0)],
    ),
]
