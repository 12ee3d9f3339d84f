"""A made-up province for tests: as many communes as asked, two lines, two computers, six devices and two zones each."""

from typing import Any

import yaml

AREAS = ("da-lat", "bao-loc", "phan-thiet", "gia-nghia", "la-gi", "duc-trong")


def commune(number: int) -> dict[str, Any]:
    code = f"{24000 + number:05}"
    return {
        "code": code,
        "name": f"Xã Số {number}",
        "kind": "phuong" if number % 6 == 0 else "xa",
        "area": AREAS[number % len(AREAS)],
        "latitude": round(11.2 + number % 12 * 0.1, 4),
        "longitude": round(107.2 + number // 12 * 0.12, 4),
        "sites": [
            {
                "id": "main",
                "links": [
                    {
                        "name": "internet",
                        "kind": "internet",
                        "carrier": ("vnpt", "viettel", "fpt")[number % 3],
                        "beacons": ["1.1.1.1", "8.8.8.8"],
                        "contract": {"download": "100Mbit/s", "upload": "100Mbit/s"},
                        **({"hub_address": f"203.0.113.{number % 250 + 1}"} if number % 4 else {}),
                    },
                    {
                        "name": "tslcd",
                        "kind": "tslcd",
                        "carrier": "viettel",
                        "beacons": ["10.0.0.10"],
                        "device": "router-1",
                        "port": "wan",
                    },
                ],
                "agents": [
                    {"instance": "counter-1", "role": "full", "zone": "Quầy"},
                    {"instance": "counter-2", "zone": "Phòng chờ"},
                ],
                "ssids": ["CSC-Free"],
                "zones": [{"name": "Quầy", "ssid": "CSC-Free"}, {"name": "Phòng chờ", "ssid": "CSC-Free"}],
                "devices": [
                    {"name": "router-1", "kind": "router", "address": "192.168.1.1", "essential": True},
                    {"name": "switch-1", "kind": "switch", "address": "192.168.1.2", "parent": "router-1", "essential": True},
                    {"name": "ap-1", "kind": "ap", "address": "192.168.1.3", "parent": "switch-1", "zone": "Phòng chờ"},
                    {"name": "ups-1", "kind": "ups", "address": "192.168.1.4", "parent": "switch-1"},
                    {"name": "printer-1", "kind": "printer", "address": "192.168.1.5", "parent": "switch-1"},
                ],
            }
        ],
    }


def province(communes: int, **more: Any) -> dict[str, Any]:
    return {
        "province": {"code": "68", "slug": "lam-dong", "name": "Lâm Đồng"},
        "server": {"names": ["127.0.0.1"], "port": 9443, "agent_version": "1.0.0"},
        "carriers": [{"name": name, "title": name.upper(), "desk": "18001166"} for name in ("vnpt", "viettel", "fpt")],
        "bridges": [{"name": "bridge", "address": "10.0.0.20:443", "need": "4Mbit/s", "link": "tslcd"}],
        "communes": [commune(number) for number in range(communes)],
        "contacts": [
            {"name": f"Cán bộ {number}", "phone": f"0900 000 {number:03}", "communes": [f"{24000 + number:05}"]}
            for number in range(communes)
        ],
        **more,
    }


def as_yaml(inventory: dict[str, Any]) -> str:
    return yaml.safe_dump(inventory, allow_unicode=True, sort_keys=False)
