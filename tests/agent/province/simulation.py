"""What the agents of a made-up province push, all of them, over some minutes: the load that dashboards are tried with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.agent.province.remote import Labelled

Value = Callable[[float], float]
PORTALS = ("dichvucong.gov.vn", "xacthuc.dichvucong.gov.vn", "sso.dancuquocgia.gov.vn", "ocsp.ca.gov.vn")
PHASES = ("resolve", "connect", "tls", "first_byte", "transfer")


def const(value: float) -> Value:
    return lambda _moment: value


def counter(rate: float, start: float) -> Value:
    return lambda moment: max(0.0, (moment - start) * rate)


def _series(commune: dict[str, Any], now: float) -> Iterator[tuple[str, dict[str, str], Value]]:
    number = int(commune["code"])
    site = commune["sites"][0]
    start = now - 86400
    bad = number % 31 == 0  # a few communes in trouble, so that every list has something to show
    for order, agent in enumerate(site["agents"]):
        own = {"instance": agent["instance"]}
        full = agent.get("role") == "full"
        if bad and not full:
            continue
        yield "commune_agent_heartbeat_timestamp_seconds", own, lambda moment: moment
        version = "0.9.0" if bad else "1.0.0"
        yield (
            "commune_agent_info",
            own | {"version": version, "python": "3.11", "platform": "linux", "role": agent.get("role", "sensor")},
            const(1),
        )
        yield "commune_agent_clock_offset_seconds", own | {"source": "pool.ntp.org"}, const(0.01 * (number % 50))
        yield "commune_agent_spool_pending_samples", own, const(number % 700)
        yield "commune_agent_gap_seconds_total", own | {"reason": "machine_off"}, counter(0.5, start)
        for kind in ("ping", "links", "dns", "http", "wifi", "host"):
            yield "commune_agent_collector_success", own | {"collector": kind}, const(0 if bad and kind == "wifi" else 1)
        yield "commune_host_boot_timestamp_seconds", own, const(start)
        zone = {"zone": agent["zone"], "ssid": "CSC-Free"}
        yield "commune_wifi_zone_signal_dbm", own | zone, const(-80 if bad else -55 - number % 18 - order)
        yield "commune_wifi_zone_dead", own | zone, const(float(bad))
        surveyed = own | zone | {"band": "5"}
        yield "commune_survey_signal_dbm", surveyed, const(-78 if bad else -58 - order)
        yield "commune_survey_timestamp_seconds", surveyed, const(start - 86400 * (1 + number % 30))
        for channel in ("1", "6", "11"):
            yield "commune_wifi_channel_bss", own | {"band": "2.4", "channel": channel}, const(number % 9)
        for interface in ("eth0", "wlan0"):
            where = own | {"device": "self", "interface": interface}
            yield "commune_interface_receive_bytes_total", where, counter(1e5 + number, start)
            yield "commune_interface_transmit_bytes_total", where, counter(5e4, start)
        if full:
            yield from _lines(site, own, number, start, bad=bad)
            yield from _services(own, number, now, bad=bad)
            yield from _devices(site, own, number, bad=bad)


def _lines(
    site: dict[str, Any], own: dict[str, str], number: int, start: float, *, bad: bool
) -> Iterator[tuple[str, dict[str, str], Value]]:
    for link in site["links"]:
        line = own | {"link": link["name"]}
        down = bad and link["name"] == "internet"
        yield "commune_link_up", line, const(float(not down))
        yield "commune_link_gateway_up", line, const(1)
        for state, rate in (("up", 0.98), ("degraded", 0.01), ("down", 0.008 if not bad else 0.2), ("unknown", 0.002)):
            yield "commune_link_seconds_total", line | {"state": state}, counter(rate, start)
        for direction in ("download", "upload"):
            yield "commune_link_contract_bytes_per_second", line | {"direction": direction}, const(12.5e6)
            yield "commune_link_utilization_ratio", line | {"direction": direction}, const(0.01 * (number % 99))
        test = line | {"target": "hub", "method": "http"}
        yield "commune_bandwidth_download_bytes_per_second", test, const(12.5e6 * (0.5 + number % 50 / 100))
        yield "commune_bandwidth_upload_bytes_per_second", test, const(11e6)
        yield "commune_bandwidth_test_timestamp_seconds", test, const(start + 80000)
        for beacon in link["beacons"]:
            aim = line | {"target": beacon}
            yield "commune_ping_sent_total", aim, counter(1, start)
            yield "commune_ping_received_total", aim, counter(0.97 if bad else 0.999, start)
            yield "commune_ping_rtt_seconds_count", aim, counter(1, start)
            yield "commune_ping_rtt_seconds_sum", aim, counter(0.02 + number % 40 / 1000, start)
            yield "commune_ping_jitter_seconds", aim, const(0.002 + number % 10 / 1000)
            yield "commune_ping_mos", aim, const(4.2)
            yield "commune_ping_up", aim, const(float(not down))


def _services(own: dict[str, str], number: int, now: float, *, bad: bool) -> Iterator[tuple[str, dict[str, str], Value]]:
    for portal in PORTALS:
        target = own | {"target": portal, "link": ""}
        failing = bad and portal == PORTALS[0]
        yield "commune_http_success", target, const(float(not failing))
        yield "commune_http_duration_seconds", target, const(0.4 + number % 10 / 10)
        for phase in PHASES:
            yield "commune_http_phase_duration_seconds", target | {"phase": phase}, const(0.08)
        yield "commune_tls_certificate_expiry_timestamp_seconds", own | {"target": portal}, const(now + 40 * 86400)
        yield "commune_tls_verified", own | {"target": portal}, const(1)
    for server in ("192.168.1.1", "8.8.8.8"):
        asked = own | {"server": server, "query": "dichvucong.gov.vn"}
        yield "commune_dns_success", asked, const(1)
        yield "commune_dns_duration_seconds", asked, const(0.01 + number % 7 / 1000)
    yield "commune_conference_ready", own | {"target": "bridge"}, const(float(not bad))


def _devices(site: dict[str, Any], own: dict[str, str], number: int, *, bad: bool) -> Iterator[tuple[str, dict[str, str], Value]]:
    for device in site["devices"]:
        where = own | {"device": device["name"]}
        yield "commune_device_up", where, const(float(not (bad and device["kind"] == "ap")))
        yield "commune_device_cpu_utilization_ratio", where | {"component": "cpu"}, const(number % 80 / 100)
        yield "commune_device_temperature_celsius", where | {"sensor": "board"}, const(35 + number % 25)
        if device["kind"] == "ups":
            yield "commune_ups_on_battery", where, const(float(bad))
            yield "commune_ups_charge_ratio", where, const(0.9)
        if device["kind"] == "printer":
            yield "commune_printer_supply_ratio", where | {"supply": "black"}, const(number % 100 / 100)
        if device["kind"] == "router":
            yield "commune_mobile_signal_rsrp_dbm", own | {"modem": device["name"]}, const(-115 if bad else -90)
            yield "commune_mobile_coverage", own | {"modem": device["name"], "state": "weak" if bad else "good"}, const(1)
        if device["kind"] == "ap":
            yield "commune_device_zone_info", where | {"zone": device.get("zone") or "Sân"}, const(1)
            radio = where | {"radio": "0", "ssid": "CSC-Free"}
            yield "commune_wifi_ap_clients", radio, const(number % 20)
            yield "commune_wifi_ap_channel_utilization_ratio", radio, const(number % 60 / 100)


def push_batches(inventory: dict[str, Any], now: float, back: float, step: float) -> Iterator[list[Labelled]]:
    """Everything that the province's agents pushed in the last `back` seconds, a batch a commune."""
    moments = [now - back + index * step for index in range(int(back / step) + 1)]
    for commune in inventory["communes"]:
        where = {"job": "commune-agent", "province": inventory["province"]["slug"], "commune": commune["code"], "site": "main"}
        yield [
            ({"__name__": name, **where, **labels}, [(moment, value(moment)) for moment in moments])
            for name, labels, value in _series(commune, now)
        ]
    hub = {"job": "commune-agent", "province": inventory["province"]["slug"], "site": "hub", "instance": "hub"}
    batch: list[Labelled] = [
        ({"__name__": "commune_agent_heartbeat_timestamp_seconds", **hub}, [(moment, moment) for moment in moments])
    ]
    for commune in inventory["communes"]:
        for link in commune["sites"][0]["links"]:
            if "hub_address" in link:
                labels = {"__name__": "commune_ping_up", **hub, "target": f"{commune['code']}/main/{link['name']}", "link": ""}
                batch.append((labels, [(moment, 1.0) for moment in moments]))
    yield batch


def earlier(inventory: dict[str, Any], now: float, back: float) -> list[Labelled]:
    """What panels of a whole month need of hours before: the lines' seconds, and that the offices were open."""
    found: list[Labelled] = []
    for batch in push_batches(inventory, now, back, 240):
        found += [item for item in batch if item[0]["__name__"] == "commune_link_seconds_total"]
    moments = [moment for moment, _ in found[0][1]]
    for commune in inventory["communes"]:
        where = {"province": inventory["province"]["slug"], "commune": commune["code"], "site": "main"}
        found.append(({"__name__": "commune:site_open", **where}, [(moment, 1.0) for moment in moments]))
    return found
