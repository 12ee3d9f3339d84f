"""Recording rules: what panels would otherwise compute over the whole province, and what alerts have to remember."""

from __future__ import annotations

from dataclasses import dataclass, field

from dashboards.build.promql import CARRIER_DOWN, EXPECTED, INFO, JOB, LAST_SEEN, LINK_OF, OUTSIDE, SITE, alive, fresh


@dataclass(frozen=True)
class Record:
    """One recording rule."""

    name: str
    expression: str
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    """Rules that are evaluated one after another every `interval` seconds."""

    name: str
    interval: int
    records: tuple[Record, ...]


def _rate(metric: str, window: str) -> str:
    """Per line: pings of the site's full agent that leave by the line, without its gateway."""
    return f'rate({metric}{{{JOB}, link!="", target!~"gateway.*"}}[{window}])'


def _by_target(expression: str) -> str:
    return f"sum by ({SITE}, link, target) ({expression})"


REMEMBER = Group(
    "remember",
    10,
    (
        Record("commune:rules_awake", "vector(1)"),
        Record(
            LAST_SEEN,
            f'(max by ({SITE}) (commune_agent_heartbeat_timestamp_seconds{{{JOB}, site!=""}}) or {LAST_SEEN}) and on ({SITE}) {INFO}',
        ),
        Record("commune:site_alive", f"({alive(60)} > bool 0) or (count by ({SITE}) ({EXPECTED}) * 0)"),
        Record("commune:site_outside_up", OUTSIDE),
    ),
)

# The value is the best of a line's targets: a line is blamed only for what all of them show.
LINES = Group(
    "lines",
    30,
    (
        Record(
            "commune:link_loss:ratio5m",
            f"clamp_min(min by ({SITE}, link) (1 - {_by_target(_rate('commune_ping_received_total', '5m'))}"
            f" / ({_by_target(_rate('commune_ping_sent_total', '5m'))} > 0)), 0)",
        ),
        Record(
            "commune:link_rtt_seconds:mean15m",
            f"min by ({SITE}, link) ({_by_target(_rate('commune_ping_rtt_seconds_sum', '15m'))}"
            f" / ({_by_target(_rate('commune_ping_rtt_seconds_count', '15m'))} > 0))",
        ),
        Record(
            "commune:link_jitter_seconds:mean15m",
            f"min by ({SITE}, link) (avg by ({SITE}, link, target) "
            f'(avg_over_time(commune_ping_jitter_seconds{{{JOB}, link!="", target!~"gateway.*"}}[15m])))',
        ),
        Record(
            "commune:link_mos:mean5m",
            f'max by ({SITE}, link) (avg_over_time(commune_ping_mos{{{JOB}, link!="", target!~"gateway.*"}}[5m]))',
        ),
        Record(
            "commune:link_utilization:mean15m",
            f"max by ({SITE}, link, direction) (avg_over_time(commune_link_utilization_ratio{{{JOB}}}[15m]))",
        ),
        Record("commune:link_up", f"max by ({SITE}, link) ({fresh('commune_link_up')})"),
        Record(
            "commune:link_rx_bytes:rate5m",
            f'sum by ({SITE}, interface) (rate(commune_interface_receive_bytes_total{{{JOB}, device="self"}}[5m]))',
        ),
    ),
)

AP_UP = f"commune:device_up * on ({SITE}, device) group_left (zone) max by ({SITE}, device, zone) ({fresh('commune_device_zone_info')})"
AP = (
    f"count by ({SITE}, device) (last_over_time(commune_wifi_ap_clients{{{JOB}}}[1d])"
    f' or on ({SITE}, device) commune_expected_device{{kind="ap"}})'
)
"""What counts stations, or is an access point in the inventory: some tell no stations, and none does while it is down for days."""
PROVINCE = Group(
    "province",
    30,
    (
        Record(
            "commune:carrier_links:count", f"count by (province, carrier) (count by (province, carrier, commune) ({LINK_OF}))"
        ),
        Record("commune:carrier_links_down:count", f"count by (province, carrier) ({CARRIER_DOWN})"),
        Record("commune:portal_up", f"max by ({SITE}, target) ({fresh('commune_http_success')})"),
        Record(
            "province:portal_bad:count",
            "count by (province, target) (commune:portal_up == 0) or count by (province, target) (commune:portal_up) * 0",
        ),
        Record("province:portal_seen:count", "count by (province, target) (commune:portal_up)"),
        Record("commune:dns_up", f"max by ({SITE}) ({fresh('commune_dns_success')})"),
        Record("commune:zone_signal_dbm", f"max by ({SITE}, zone, ssid) ({fresh('commune_wifi_zone_signal_dbm')})"),
        Record("commune:device_up", f"max by ({SITE}, device) ({fresh('commune_device_up')})"),
        # What a radio in the zone hears; where there is none, whether any access point of the zone answers.
        Record("commune:ap_up", f"({AP_UP}) and on ({SITE}, device) ({AP})"),
        Record(
            "commune:zone_dead",
            f"min by ({SITE}, zone, ssid) ({fresh('commune_wifi_zone_dead')})"
            f" or on ({SITE}, zone) (max by ({SITE}, zone) (commune:ap_up) == bool 0)",
        ),
        Record("commune:conference_ready", f"min by ({SITE}, target) ({fresh('commune_conference_ready')})"),
        Record(
            "commune:area_on_battery:count",
            f"count by (province, area) ((max by ({SITE}) (max_over_time(commune_ups_on_battery{{{JOB}}}[30m])) == 1)"
            f" * on ({SITE}) group_left (area) {INFO})",
        ),
    ),
)

# Can citizens be served now? Each part has a floor: without a line nothing works, without Wi-Fi the counters still do.
_SILENT = f"((commune:site_alive == 0) unless on ({SITE}) (commune:site_outside_up == 1))"
_LOSSY = "((commune:link_loss:ratio5m > bool 0.05) or commune:link_up * 0)"
_SLOW = "((commune:link_rtt_seconds:mean15m > bool 0.15) or commune:link_up * 0)"
_DEGRADED = f"({_LOSSY} + {_SLOW} > bool 0)"
_LINE = f"(commune:link_up * 100 - commune:link_up * {_DEGRADED} * 40)"
_PARTS = {
    "uplink": f"(max by ({SITE}) ({_LINE}) unless on ({SITE}) {_SILENT}) or {_SILENT} * 0",
    "dns": "10 + 90 * commune:dns_up",
    "portal": f"20 + 80 * avg by ({SITE}) (commune:portal_up)",
    "wifi": f"50 + 50 * (1 - avg by ({SITE}) (commune:zone_dead))",
    "device": f'60 + 40 * avg by ({SITE}) (commune:device_up * on ({SITE}, device) commune_expected_device{{essential="true"}})',
}
PART_ORDER = tuple(_PARTS)


SCORE = Group(
    "score",
    15,
    (
        *(Record("commune:serving_part", _PARTS[reason], {"reason": reason}) for reason in PART_ORDER),
        Record("commune:serving_score", "floor(min by (province, commune) (commune:serving_part))"),
        Record(
            "commune:serving_limit",
            # The lowest part of a commune; the earlier of the list wins a tie, since it explains the later ones.
            "topk by (province, commune) (1, -("
            + " or ".join(
                f'(min by (province, commune, reason) (commune:serving_part{{reason="{reason}"}}) + {order / 1000:g})'
                for order, reason in enumerate(PART_ORDER)
            )
            + ")) * 0 + 1 and on (province, commune) (commune:serving_score < 100)",
        ),
        Record("province:communes:count", f"count by (province) (count by (province, commune) ({INFO}))"),
        Record(
            "province:communes_out:count",
            "count by (province) (commune:serving_score == 0) or count by (province) (commune:serving_score) * 0",
        ),
        Record("province:dead_zones:count", "sum by (province) (commune:zone_dead)"),
        Record("province:conference_ready:ratio", "avg by (province) (commune:conference_ready)"),
    ),
)

# A line's seconds are counted by the agent and never reset; remembered, they have a value at the start of every month.
LEVEL = Group(
    "level",
    60,
    (
        Record(
            "commune:link_seconds:last",
            f"(max by ({SITE}, link, state) (commune_link_seconds_total{{{JOB}}}) or commune:link_seconds:last) "
            f"and on ({SITE}) {INFO}",
        ),
    ),
)

GROUPS = (REMEMBER, LINES, PROVINCE, SCORE, LEVEL)
