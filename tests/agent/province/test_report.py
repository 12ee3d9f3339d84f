"""The monthly report from a real Prometheus that holds a month which is known to the minute."""

from __future__ import annotations

import csv
import datetime
import re
import zoneinfo
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from agent.cli import main
from agent.province.month import bounds
from tests.agent.province import remote

ZONE = zoneinfo.ZoneInfo("Asia/Ho_Chi_Minh")
STEP = 240


def moment(day: int, hour: int, minute: int = 0) -> float:
    return datetime.datetime(2026, 10, day, hour, minute, tzinfo=ZONE).timestamp()


DOWN = {"24000": [(moment(5, 8), moment(5, 10)), (moment(7, 20), moment(7, 21))], "24001": [], "24002": []}
OFF = {"24001": (moment(12, 0), moment(13, 0))}


def seconds(commune: str, until: float) -> dict[str, float]:
    start, _ = bounds("2026-10")
    down = sum(max(0.0, min(until, end) - begin) for begin, end in DOWN[commune] if until > begin)
    begin, end = OFF.get(commune, (until, until))
    unknown = max(0.0, min(until, end) - begin) if until > begin else 0.0
    return {"up": 1e6 + until - start - down - unknown, "degraded": 0.0, "down": 5000 + down, "unknown": unknown}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    work = tmp_path_factory.mktemp("report")
    (work / "tree/prometheus/rules").mkdir(parents=True)
    (work / "tree/prometheus/prometheus.yml").write_text(
        yaml.safe_dump({"storage": {"tsdb": {"out_of_order_time_window": "31d"}}}), encoding="utf-8"
    )
    start, end = bounds("2026-10")
    with remote.prometheus(work / "tree", work) as url:
        now = start - 1800
        while now < end + 3600:
            moments = [now + STEP * number for number in range(86400 // STEP)]
            batch: list[remote.Labelled] = []
            for commune, outages in DOWN.items():
                place = {"province": "lam-dong", "commune": commune, "site": "main"}
                line = {**place, "link": "internet"}
                off = OFF.get(commune, (0, 0))
                live = [value for value in moments if not off[0] <= value < off[1]]
                for state in ("up", "degraded", "down", "unknown"):
                    labels = {
                        "__name__": "commune_link_seconds_total",
                        "job": "commune-agent",
                        "instance": "pc",
                        "state": state,
                        **line,
                    }
                    batch.append((labels, [(value, seconds(commune, value)[state]) for value in live]))
                off_seconds = off[1] - off[0]
                for reason, total in (("machine_off", off_seconds), ("power_lost", 0.0)):
                    counted = [(v, 777.0 + (total if v >= off[1] else 0.0)) for v in live]
                    labels = {"job": "commune-agent", "instance": "pc", "reason": reason, **place}
                    batch.append(({"__name__": "commune_agent_gap_seconds_total", **labels}, counted))
                for name, labels, values in (
                    ("commune_link_up", line, [(v, float(not any(b <= v < e for b, e in outages))) for v in live]),
                    ("commune:site_open", place, [(v, float(is_open(v))) for v in moments]),
                    ("commune_site_info", {**place, "name": f"Xã {commune}"}, [(v, 1.0) for v in moments]),
                    ("commune_expected_link", {**line, "carrier": "vnpt"}, [(v, 1.0) for v in moments]),
                    (
                        "commune_carrier_info",
                        {"province": "lam-dong", "carrier": "vnpt", "title": "VNPT Lâm Đồng", "desk": "18001166"},
                        [(v, 1.0) for v in moments],
                    ),
                    (
                        "ALERTS",
                        {"alertname": "CarrierOutage", "alertstate": "firing", "province": "lam-dong", "carrier": "vnpt"},
                        [(v, 1.0) for v in moments if moment(7, 20) <= v < moment(7, 21)],
                    ),
                    ("commune:link_rtt_seconds:mean15m", line, [(v, 0.02) for v in live]),
                    ("commune:link_loss:ratio5m", line, [(v, 0.001) for v in live]),
                    ("commune_bandwidth_download_bytes_per_second", {**line, "instance": "pc"}, [(v, 10e6) for v in live]),
                    ("commune_link_contract_bytes_per_second", {**line, "direction": "download"}, [(v, 12.5e6) for v in live]),
                    (
                        "commune:zone_dead",
                        {**place, "zone": "Sân", "ssid": "CSC"},
                        [(v, float(commune == "24002")) for v in moments],
                    ),
                    ("commune_ping_up", {"target": f"{commune}/main/internet", "instance": "hub"}, [(v, 1.0) for v in moments]),
                ):
                    batch.append(({"__name__": name, **labels}, values))
            remote.push(url, batch)
            now += 86400
        yield url


def is_open(value: float) -> bool:
    local = datetime.datetime.fromtimestamp(value, ZONE)
    return local.weekday() < 5 and (7 <= local.hour + local.minute / 60 < 11.5 or 13.5 <= local.hour + local.minute / 60 < 17)


@pytest.fixture(scope="module")
def pages(source: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pages")
    done = CliRunner().invoke(main, ["province", "report", "--month", "2026-10", "--url", source, "--out", str(out)])
    assert done.exit_code == 0, done.output
    return out


def rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8-sig") as file:
        return {row["commune"]: row for row in csv.DictReader(file)}


def test_availability_is_what_happened(pages: Path) -> None:
    found = rows(pages / "lines.csv")
    month = 31 * 86400
    assert float(found["24000"]["availability"]) == pytest.approx(1 - 3 * 3600 / month, abs=2e-4)
    assert float(found["24000"]["down_seconds"]) == pytest.approx(3 * 3600, abs=STEP)
    # Monday 5 October is a working day: both hours in the morning count in service hours, the evening's does not.
    assert float(found["24000"]["down_seconds_in_hours"]) == pytest.approx(2 * 3600, abs=STEP)
    opened = 22 * 8 * 3600
    assert float(found["24000"]["availability_in_hours"]) == pytest.approx(1 - 2 * 3600 / opened, abs=1e-3)
    assert found["24000"]["outages"] == "2"


def test_time_that_nobody_measured_is_unknown_and_not_available(pages: Path) -> None:
    found = rows(pages / "24001.csv")["24001"]
    assert float(found["unknown_seconds"]) == pytest.approx(86400, abs=STEP)
    assert float(found["availability"]) == pytest.approx(1, abs=1e-6)
    # A Monday: the eight hours that it should have been open are unknown, not lost.
    assert float(found["unknown_seconds_in_hours"]) == pytest.approx(8 * 3600, rel=0.03)


def test_pages_say_it_to_people(pages: Path) -> None:
    page = (pages / "24000.html").read_text(encoding="utf-8")
    assert "05/10 08:02" in page, "to the minute: the first sample after eight"
    assert "<svg" in page
    assert "2 h 00" in page
    assert "Sân" in (pages / "24002.html").read_text(encoding="utf-8")
    outages = re.findall(r"<td>(0[57]/10 [0-9:]+)</td><td>([^<]+)</td><td>[^<]+</td><td>([^<]+)</td>", page)
    assert outages == [
        ("05/10 08:02", "2 h 00", "đường truyền / line"),
        ("07/10 20:02", "1 h 00", "sự cố nhà mạng / carrier incident"),
    ]
    evidence = (pages / "evidence/24000-main-internet.html").read_text(encoding="utf-8")
    assert "80.0 Mbit/s".replace(".", ",") in evidence
    assert "20,0 ms" in evidence
    assert "VNPT Lâm Đồng 18001166" in evidence
    assert "100,000 %" in evidence, "the province's view"
    index = (pages / "index.html").read_text(encoding="utf-8")
    assert "<td>Xã 24002: Sân</td><td>100 %</td>" in index
    for link in re.findall(r'href="([^"]+)"', (pages / "index.html").read_text(encoding="utf-8")):
        assert (pages / link).exists()


def test_time_without_data_is_explained_by_the_ledger(pages: Path) -> None:
    page = (pages / "24001.html").read_text(encoding="utf-8")
    explained = page[page.index("Time without data") :]
    assert re.search(r"máy tắt / computer off</td><td[^>]*>(24 h 0|23 h 5)\d", explained), explained[:600]
    assert "power lost" not in explained
    other = (pages / "24000.html").read_text(encoding="utf-8")
    assert "computer off" not in other[other.index("Time without data") :]


def test_mistakes_are_told(source: str, tmp_path: Path) -> None:
    def run(month: str, url: str) -> str:
        done = CliRunner().invoke(main, ["province", "report", "--month", month, "--url", url, "--out", str(tmp_path)])
        assert done.exit_code == 2
        return done.output

    assert "October: no month; write YYYY-MM" in run("October", source)
    assert "holds no commune_link_seconds_total of 2026-03" in run("2026-03", source)
    assert "cannot be asked" in run("2026-10", f"http://127.0.0.1:{remote.free_port()}")
    assert "an http:// or https:// address is expected" in run("2026-10", "prometheus:9090")
