"""Stories of lines that work badly, services, computers and the province's own stack."""

from __future__ import annotations

from dashboards.build.story import HOUR, Series, Site, Story, change, growing, steady

A = Site()
BASE = [*A.inventory(), A.lives()]
LINE = {"target": "1.1.1.1", "link": "internet"}
UP = steady("commune_link_up", A.at(link="internet"), 1, 3 * HOUR)
_LONG = [(name, values.replace("x360", "x1080")) for name, values in BASE]


def _loss(ratio: float) -> list[Series]:
    return [
        *BASE,
        UP,
        growing("commune_ping_sent_total", A.at(**LINE), (1, 3600)),
        growing("commune_ping_received_total", A.at(**LINE), (1 - ratio, 3600)),
    ]


def _delay(seconds: float) -> list[Series]:
    return [
        *BASE,
        UP,
        growing("commune_ping_rtt_seconds_count", A.at(**LINE), (1, 3600)),
        growing("commune_ping_rtt_seconds_sum", A.at(**LINE), (seconds, 3600)),
    ]


def _tested(rate: float) -> list[Series]:
    return [
        *_LONG,
        UP,
        steady("commune_bandwidth_download_bytes_per_second", A.at(**LINE, method="http"), rate),
        steady("commune_bandwidth_test_timestamp_seconds", A.at(**LINE, method="http"), 60),
        steady("commune_link_contract_bytes_per_second", A.at(link="internet", direction="download"), 10e6),
    ]


def _gauge(name: str, value: float, steps: int = HOUR, /, **labels: str) -> list[Series]:
    return [*(_LONG if steps > HOUR else BASE), steady(name, A.at(**labels), value, steps)]


def _two(alert: str, bad: list[Series], good: list[Series], moment: int = 1200) -> list[Story]:
    return [
        Story(f"{alert} fires", bad, [(moment, alert, 1), (0, alert, 0)]),
        Story(f"{alert}, near miss", good, [(moment, alert, 0)]),
    ]


def _severities(alert: str, bad: list[Series], middling: list[Series], good: list[Series]) -> list[Story]:
    """A ticket and its information for the bad one, the information alone for the middling one."""
    return [
        Story(f"{alert} is bad", bad, [(1200, alert, 2)]),
        Story(f"{alert} is worth knowing", middling, [(1200, alert, 1)]),
        Story(f"{alert}, near miss", good, [(1200, alert, 0)]),
    ]


def _mobile(state: str, rsrp: float, modem: str = "m") -> list[Series]:
    """A modem that the agent has judged: this computer's, or an LTE router's."""
    return [
        steady("commune_mobile_coverage", A.at(modem=modem, state=state), 1),
        steady("commune_mobile_signal_rsrp_dbm", A.at(modem=modem), rsrp),
    ]


STORIES = [
    *_severities("UplinkLoss", _loss(0.06), _loss(0.02), _loss(0.005)),
    *_severities("UplinkDelay", _delay(0.2), _delay(0.08), _delay(0.045)),
    *_severities("UplinkJitter", *([*_gauge("commune_ping_jitter_seconds", value, **LINE), UP] for value in (0.15, 0.05, 0.02))),
    *_severities(
        "UplinkSaturated",
        *(
            [*_gauge("commune_link_utilization_ratio", value, link="internet", direction="download"), UP]
            for value in (0.95, 0.85, 0.7)
        ),
    ),
    Story(
        "near miss: a gateway that drops pings is no loss of the line",
        [
            *_loss(0),
            growing("commune_ping_sent_total", A.at(target="gateway", link="internet"), (1, 3600)),
            growing("commune_ping_received_total", A.at(target="gateway", link="internet"), (0.5, 3600)),
        ],
        [(1200, "UplinkLoss", 0)],
    ),
    Story(
        "near miss: the loss of an outage that is over",
        [
            *BASE,
            change("commune_link_up", A.at(link="internet"), (1, 300), (0, 120), (1, 1200)),
            growing("commune_ping_sent_total", A.at(**LINE), (1, 1800)),
            growing("commune_ping_received_total", A.at(**LINE), (1, 300), (0, 120), (1, 1200)),
        ],
        [(600, "UplinkLoss", 0), (690, "UplinkLoss", 0)],
    ),
    *_two("UplinkBelowContract", _tested(7.5e6), _tested(8.5e6)),
    *_two(
        "CertificateExpiring",
        _gauge("commune_tls_certificate_expiry_timestamp_seconds", 20 * 86400, target="portal"),
        _gauge("commune_tls_certificate_expiry_timestamp_seconds", 22 * 86400, target="portal"),
    ),
    *_two(
        "CertificateUntrusted",
        _gauge("commune_tls_verified", 0, target="portal"),
        [
            *_gauge("commune_tls_verified", 0, target="portal"),
            steady("commune_tls_verified", Site(commune="1").at(target="portal"), 1),
        ],
    ),
    *_two(
        "ConferenceNotReady",
        _gauge("commune_conference_ready", 0, target="bridge"),
        [*BASE, change("commune_conference_ready", A.at(target="bridge"), (1, 1170), (0, 1000))],
    ),
    *_two(
        "RogueDhcp",
        _gauge("commune_lan_rogue_dhcp_servers", 1, interface="eth0"),
        _gauge("commune_lan_rogue_dhcp_servers", 0, interface="eth0"),
    ),
    *_two(
        "DuplicateAddress",
        _gauge("commune_lan_duplicate_addresses", 2, interface="eth0"),
        _gauge("commune_lan_duplicate_addresses", 0, interface="eth0"),
    ),
    *_two("BackupLineWeak", [*BASE, *_mobile("weak", -115)], [*BASE, *_mobile("good", -105)]),
    *(
        Story(f"BackupLineWeak: {title}", [*BASE, *series], [(1200, "BackupLineWeak", alerts)])
        for title, series, alerts in (
            ("the limits of the agent's configuration count", _mobile("weak", -100), 1),
            ("and may be laxer", _mobile("good", -115), 0),
            ("no coverage", _mobile("none", -121), 1),
            ("one of two modems", [*_mobile("good", -80), *_mobile("none", -125, "lte-1")], 1),
        )
    ),
]

UPKEEP = [
    *_two(
        "PrinterAttention",
        _gauge("commune_printer_state", 1, device="printer-1", state="jammed"),
        _gauge("commune_printer_state", 1, device="printer-1", state="idle"),
    ),
    *_two(
        "DiskFull",
        [
            *_gauge("commune_host_filesystem_size_bytes", 100, mountpoint="/"),
            steady("commune_host_filesystem_available_bytes", A.at(mountpoint="/"), 5),
        ],
        [
            *_gauge("commune_host_filesystem_size_bytes", 100, mountpoint="/"),
            steady("commune_host_filesystem_available_bytes", A.at(mountpoint="/"), 15),
        ],
    ),
    *_two(
        "StorageFull",
        [
            *_gauge("commune_device_storage_size_bytes", 100, device="nas", component="disk"),
            steady("commune_device_storage_used_bytes", A.at(device="nas", component="disk"), 97),
        ],
        [
            *_gauge("commune_device_storage_size_bytes", 100, device="nas", component="disk"),
            steady("commune_device_storage_used_bytes", A.at(device="nas", component="disk"), 90),
        ],
    ),
    *_two(
        "TemperatureHigh",
        _gauge("commune_device_temperature_celsius", 78, device="switch-1", sensor="cpu"),
        _gauge("commune_device_temperature_celsius", 60, device="switch-1", sensor="cpu"),
    ),
    *_two(
        "TemperatureHigh",
        _gauge("commune_host_temperature_celsius", 95, sensor="cpu"),
        _gauge("commune_host_temperature_celsius", 85, sensor="cpu"),
    ),
    *_two(
        "ClockWrong",
        _gauge("commune_agent_clock_offset_seconds", -30, source="ntp"),
        _gauge("commune_agent_clock_offset_seconds", 2, source="ntp"),
    ),
    *_two(
        "AgentOutdated",
        _gauge("commune_agent_info", 1, 3 * HOUR, version="0.9", role="full"),
        _gauge("commune_agent_info", 1, 3 * HOUR, version="1.0", role="full"),
        7200,
    ),
    *_two(
        "AgentUnknown",
        [*BASE, steady("commune_agent_info", A.at("stranger", version="1.0"), 1)],
        _gauge("commune_agent_info", 1, version="1.0"),
    ),
    *_two(
        "SpoolGrowing",
        [*_LONG, growing("commune_agent_spool_pending_samples", A.at(), (10, 10800))],
        [*_LONG, ("commune_agent_spool_pending_samples{" + A.at() + "}", "100000-90x1080")],
        4000,
    ),
    *_two(
        "AgentCollectorFailing",
        _gauge("commune_agent_collector_success", 0, 3 * HOUR, collector="wifi"),
        [*_LONG, change("commune_agent_collector_success", A.at(collector="wifi"), (0, 3000), (1, 6000))],
        7200,
    ),
    *_two(
        "SamplesRejected",
        [*BASE, growing("commune_agent_remote_write_samples_total", A.at(result="rejected"), (1, 3600))],
        [*BASE, growing("commune_agent_remote_write_samples_total", A.at(result="accepted"), (1, 3600))],
    ),
    Story("the sign of life is always there", [], [(60, "Deadman", 1)]),
    *_two(
        "RuleEvaluationFailing",
        [growing("prometheus_rule_evaluation_failures_total", 'job="prometheus", instance="p", rule_group="g"', (0.1, 3600))],
        [growing("prometheus_rule_evaluation_failures_total", 'job="prometheus", instance="p", rule_group="g"', (0, 3600))],
    ),
    *_two(
        "NotificationsFailing",
        [growing("alertmanager_notifications_failed_total", 'job="alertmanager", integration="email"', (0.1, 3600))],
        [growing("alertmanager_notifications_failed_total", 'job="alertmanager", integration="email"', (0, 3600))],
    ),
]

APS = (("ap-1", "Kho"), ("ap-2", "Sân"), ("ap-3", "Bếp"))
"""Access points and the zones that they name."""
SILENT = (("ap-4", "ap", "Gác"), ("switch-1", "switch", "Tủ mạng"))
"""Devices of the inventory that count no stations: their kind tells which is an access point."""

SCORES = [
    Story(
        "a zone's access points speak for it where no computer hears it",
        [
            *A.inventory(),
            A.lives(),
            *(steady("commune_device_zone_info", A.at(device=name, zone=zone), 1) for name, zone in APS),
            *(steady("commune_wifi_ap_clients", A.at(device=name, radio="0", ssid="CSC"), 3) for name, _ in APS),
            *(change("commune_device_up", A.at(device=name), (1, 480), (0, 1200)) for name, _ in APS[:2]),
            steady("commune_device_up", A.at(device="ap-3"), 1),
            *(steady("commune_expected_device", f'{A.place}, device="{name}", kind="{kind}"', 1) for name, kind, _ in SILENT),
            *(steady("commune_device_zone_info", A.at(device=name, zone=zone), 1) for name, _, zone in SILENT),
            *(steady("commune_device_up", A.at(device=name), 0) for name, _, _ in SILENT),
            steady("commune_wifi_zone_dead", A.at(zone="Sân", ssid="CSC"), 0),
        ],
        [],
        [
            (moment, "sum by (zone) (commune:zone_dead)", [(f'{{zone="{zone}"}}', dead) for zone, dead in zones.items()])
            for moment, zones in (
                (300, {"Kho": 0, "Sân": 0, "Bếp": 0, "Gác": 1}),
                (780, {"Kho": 1, "Sân": 0, "Bếp": 0, "Gác": 1}),
            )
        ],
    ),
    Story(
        "the score is 100 when all is well, and names no limit",
        [
            *BASE,
            UP,
            steady("commune_http_success", A.at(target="portal", link=""), 1),
            steady("commune_dns_success", A.at(server="s", query="q"), 1),
            steady("commune_wifi_zone_dead", A.at(zone="z", ssid="s"), 0),
        ],
        [],
        [
            (1200, "commune:serving_score", [('commune:serving_score{province="lam-dong", commune="24781"}', 100)]),
            (1200, "commune:serving_limit", []),
            (1200, "province:communes_out:count", [('province:communes_out:count{province="lam-dong"}', 0)]),
        ],
    ),
    Story(
        "the score names the portal when the portal is down",
        [
            *BASE,
            UP,
            steady("commune_http_success", A.at(target="portal", link=""), 0),
            steady("commune_dns_success", A.at(server="s"), 1),
        ],
        [],
        [
            (1200, "commune:serving_score", [('commune:serving_score{province="lam-dong", commune="24781"}', 20)]),
            (1200, "count by (reason) (commune:serving_limit)", [('{reason="portal"}', 1)]),
        ],
    ),
    Story(
        "a line that loses packets limits the score, a dark site has none left",
        [*_loss(0.2), steady("commune_dns_success", A.at(server="s"), 1)],
        [],
        [
            (1200, "commune:serving_score", [('commune:serving_score{province="lam-dong", commune="24781"}', 60)]),
            (1200, "count by (reason) (commune:serving_limit)", [('{reason="uplink"}', 1)]),
        ],
    ),
    Story(
        "a dark site serves nobody",
        [*A.inventory(), A.lives(900), change("commune_link_up", A.at(link="internet"), (1, 900))],
        [],
        [
            (1200, "commune:serving_score", [('commune:serving_score{province="lam-dong", commune="24781"}', 0)]),
            (1200, "count by (reason) (commune:serving_limit)", [('{reason="uplink"}', 1)]),
            (1200, "province:communes_out:count", [('province:communes_out:count{province="lam-dong"}', 1)]),
        ],
    ),
]
