"""Runs in the guest: lets the real collector live through what happens to Wi-Fi, and writes down what it said.

`story.py STORY…` writes `results.json`: by step, the collector's series and what `iw` said at the same moment. The
judgement is on the other side, in `test_wifilab.py`. With RECORD in the environment, the netlink datagrams of each step
are kept too.
"""

import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agent.survey.record import record
from collectors.machine import Machine
from collectors.probe import netlink, nl80211
from collectors.wifi import WifiCollector, WifiSettings
from collectors.wire.survey_file import Visit, summarize, write
from tests.wifilab.clock_story import wrong_clock

RESULTS: dict[str, Any] = {}
RECORDED: dict[int, list[str]] = {}
DIAGNOSED = {
    "associated, next interval",
    "nothing on the air",
    "below the threshold",
    "wrong passphrase",
    "radio off",
    "access points gone",
    "without privilege",
}
SSID, SECRET = "CSC-Free", "secretpass"
RUN = "/run/wifi-lab"


def sh(command: str, *, check: bool = True, wait: float = 60) -> str:
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=wait)
    if check and done.returncode:
        message = f"{command}: {done.stdout}{done.stderr}"
        raise RuntimeError(message)
    return done.stdout


def keep_datagrams() -> None:
    """Keep every answer of the kernel by the command that it answers; events under 0."""
    real = netlink.NetlinkSocket

    class Recording(real):  # type: ignore[valid-type,misc]
        asked = 0

        async def send(self, octets: bytes) -> None:
            self.asked = octets[16] if octets[4] != 0x10 else 3
            RECORDED[self.asked] = []
            await super().send(octets)

        def subscribe(self, group: int) -> None:
            self.asked = 0
            super().subscribe(group)

        async def receive(self) -> bytes:
            octets: bytes = await super().receive()
            RECORDED.setdefault(self.asked, []).append(octets.hex())
            return octets

    nl80211.Nl80211.__init__.__defaults__ = (Recording,)


def new(**settings: Any) -> WifiCollector:
    return WifiCollector(WifiSettings(**{"ssids": (SSID,), **settings}), "hall", Machine())


async def step(name: str, collector: WifiCollector, iw: str = "") -> dict[str, float]:
    RECORDED.clear()
    before = sh("iw dev wlan1 link", check=False) if "link" in iw else ""
    began = time.monotonic()
    reading = await collector.collect()
    took = time.monotonic() - began
    series = {f"{one.metric.name}{list(one.labels)}": one.value for one in reading.observations}
    outputs = {command: sh(f"iw dev wlan1 {command}", check=False) for command in iw.split(",") if command}
    reason = reading.reason.value if reading.reason else None
    RESULTS[name] = {
        "series": series,
        "reason": reason,
        "detail": reading.detail,
        "iw": outputs,
        "before": before,
        "seconds": took,
    }
    if os.environ.get("RECORD"):
        RESULTS[name]["datagrams"] = dict(RECORDED)
    elif name in DIAGNOSED:  # what the diagnosis asks the radio; it is judged on the other side
        radio = nl80211.Nl80211(Machine())
        stations = await radio.stations()
        heard = [await radio.heard(station) if station.up else [] for station in stations]
        RESULTS[name]["radio"] = [
            [asdict(station), [asdict(bss) for bss in air]] for station, air in zip(stations, heard, strict=True)
        ]
        await radio.close()
    print(f"{name}: {took:.1f} s, {len(series)} series {reading.reason or ''} {reading.detail}", flush=True)
    return {key: float(value) for key, value in series.items() if isinstance(value, float | int)}


async def until(name: str, collector: WifiCollector, key: str, value: float, tries: int = 4) -> None:
    for attempt in range(1, tries + 1):
        series = await step(name, collector)
        RESULTS[name]["intervals"] = attempt
        if series.get(key) == value:
            return
        await asyncio.sleep(1)


def signals(level: int) -> None:
    sh(f"set-signal {level} wlan0; set-signal {level} wlan2")


async def settle(level: int) -> None:
    """Until the kernel has a frame of that level (beacons come ten times a second)."""
    for _ in range(30):
        await asyncio.sleep(0.3)
        if f"signal: {level} dBm" in sh("iw dev wlan1 link", check=False):
            return


def capture(seconds: float) -> None:
    """What a monitor interface on the station's radio hears, as a capture file with radiotap."""
    sh("iw dev wlan1 interface add mon0 type monitor && ip link set mon0 up")
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as monitor, Path("/host/air.pcap").open("wb") as file:
        monitor.bind(("mon0", 0))
        monitor.settimeout(0.5)
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 127))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                frame = monitor.recv(65535)
            except TimeoutError:
                continue
            now = time.time()
            file.write(struct.pack("<IIII", int(now), int(now % 1 * 1e6), len(frame), len(frame)) + frame)
    sh("iw dev mon0 del")


async def survey() -> None:
    """A spot recorded with the real radio, as `agent survey --zone` does."""
    told: list[int] = []
    _, scans, started = await record(Machine(), 2, lambda number, _: told.append(number), "wlan1")
    heard, channels = summarize(scans, [SSID])
    visit = Visit(time.time(), "hall", (SSID,), heard, channels, scans=len(scans))
    RESULTS["survey"] = {"line": write(visit), "progress": told, "started": started}


DEAD = f"commune_wifi_zone_dead{['hall', SSID]}"
UP = f"commune_wifi_link_up{['wlan1', SSID]}"


async def coverage() -> None:  # noqa: PLR0915  one story, in its order
    """Values beside iw's, a zone that dies and comes back, a roam, an access point that goes and returns."""
    sh("ip link set wlan1 up")
    collector = new(interface="wlan1")
    await step("nothing on the air", collector)
    sh(f"ap-up {SSID} 6 {SECRET}; AP_IF=wlan2 AP_NS=ap2 ap-up {SSID} 11 {SECRET}")
    signals(-55)
    sh(f"sta-up {SSID} {SECRET}")
    await settle(-55)
    sh("ping -c 3 -i 0.2 10.80.0.1", check=False)
    await step("associated", collector, "scan dump")
    await step("associated, next interval", collector, "link,station dump")

    await survey()
    capture(2.0)

    signals(-80)
    await settle(-80)
    await until("below the threshold", collector, DEAD, 1.0)
    signals(-74)
    await settle(-74)
    await step("within the hysteresis", collector)
    signals(-70)
    await settle(-70)
    await until("above the hysteresis", collector, DEAD, 0.0)

    joined = sh("iw dev wlan1 link").split()[2]
    other = "02:00:00:00:02:00" if joined.startswith("02:00:00:00:00") else "02:00:00:00:00:00"
    sh(f"wpa_cli -p {RUN}/wpa -i wlan1 scan", check=False)
    await asyncio.sleep(4)
    sh(f"wpa_cli -p {RUN}/wpa -i wlan1 roam {other}")
    for _ in range(40):
        await asyncio.sleep(0.5)
        if other in sh("iw dev wlan1 link", check=False):
            break
    await step("roamed", collector)

    sh(f"kill $(cat {RUN}/hostapd-wlan0.pid) $(cat {RUN}/hostapd-wlan2.pid)")
    for _ in range(40):
        await asyncio.sleep(0.5)
        if "Not connected" in sh("iw dev wlan1 link", check=False):
            break
    await until("access points gone", collector, DEAD, 1.0)
    sh("ip netns exec ap hostapd -B -P /run/wifi-lab/hostapd-wlan0.pid /run/wifi-lab/hostapd-wlan0.conf")
    for _ in range(60):
        await asyncio.sleep(0.5)
        if "Connected to" in sh("iw dev wlan1 link", check=False):
            break
    await until("access point returned", collector, DEAD, 0.0)

    os.seteuid(65534)
    unprivileged = new(interface="wlan1")
    try:
        await step("without privilege", unprivileged)
        await unprivileged.stop()
    finally:
        os.seteuid(0)

    sh(f"kill $(cat {RUN}/wpa-wlan1.pid)")
    await asyncio.sleep(1)
    sh(f"WAIT=4 sta-up {SSID} wrong-passphrase", check=False)
    await step("wrong passphrase", new(interface="wlan1"))
    sh("ip link set wlan1 down", check=False)
    await step("radio off", collector)
    await collector.stop()


async def crowd() -> None:
    """Forty networks on two channels: what a scan costs in a building with many neighbours."""
    sh("ip link set wlan1 up")
    for radio, channel in (("wlan0", 1), ("wlan2", 149)):
        phy = sh(f"cat /sys/class/net/{radio}/phy80211/name").strip()
        sh(f"ip netns add {radio}; iw phy {phy} set netns name {radio}")
        lines = [f"interface={radio}", "driver=nl80211", f"channel={channel}", f"hw_mode={'g' if channel < 15 else 'a'}"]
        lines += ["country_code=BD", "ieee80211n=1", "bss_load_update_period=50", f"ssid={SSID}"]
        lines += [f"{'ieee80211ac=1' if channel > 14 else ''}", "wmm_enabled=1"]
        for number in range(1, 20):
            lines += [f"bss={radio}_{number}", f"ssid=Neighbour {channel}-{number}"]
        Path(f"/tmp/{radio}.conf").write_text("\n".join(lines) + "\n")
        sh(f"ip netns exec {radio} hostapd -B -f /tmp/{radio}.log /tmp/{radio}.conf || (cat /tmp/{radio}.log; false)")
    sh(f"sta-up {SSID}")
    collector = new(interface="wlan1")
    await step("crowd", collector, "link,scan dump")
    await step("crowd, next interval", collector)
    await collector.stop()


async def clock() -> None:
    """The date set wrong by years and by hours."""
    await wrong_clock(RESULTS)


STORIES = {"crowd": crowd, "coverage": coverage, "clock": clock}


def main() -> None:
    if os.environ.get("RECORD"):
        keep_datagrams()
    try:
        for name in sys.argv[1:]:
            asyncio.run(STORIES[name]())
    finally:
        Path("/host/results.json").write_text(json.dumps(RESULTS, indent=1))


main()
