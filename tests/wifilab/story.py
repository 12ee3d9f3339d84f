"""Runs in the guest: lets the collector and `agent diagnose` live through what happens to Wi-Fi, and writes down what they said.

`story.py STORY…` writes `results.json`: by step, the collector's series, what `iw` said at the same moment, and the
documents of the diagnosis. The judgement is on the other side, in `test_wifilab.py`. With RECORD in the environment, the
netlink datagrams of each step are kept too.
"""

import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import psutil

import agent.cli.diagnose
from agent.survey.record import record
from collectors.machine import Machine
from collectors.probe import netlink, nl80211
from collectors.wifi import WifiCollector, WifiSettings
from collectors.wire.survey_file import Visit, summarize, write
from tests.wifilab.clock_story import wrong_clock

RESULTS: dict[str, Any] = {}
RECORDED: dict[int, list[str]] = {}
SSID, SECRET = "CSC-Free", "secretpass"
RUN = "/run/wifi-lab"
CONFIG = Path("/run/diagnose.yaml")
SITE = f"""
wifi: {{ssids: [{SSID}]}}
http: {{targets: [{{name: portal, url: "http://dichvucong.example/"}}]}}
"""
BUSY = "vendor_elements=0b050c00e60000"
"""A BSS Load element (IEEE 802.11-2020, 9.4.2.27), as an access point sends it: 12 stations, channel busy 230/255 of the time."""


def sh(command: str, *, check: bool = True, wait: float = 60) -> str:
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=wait)
    if check and done.returncode:
        message = f"{command}: {done.stdout}{done.stderr}"
        raise RuntimeError(message)
    return done.stdout


class Command:
    """`agent diagnose` as a command of its own, started from a process that has imported it: that takes seconds here.

    Each start is a fork of that process, so that none knows of another, and its processor time counts from nothing.
    """

    loaded = (agent.cli.diagnose, psutil)

    def __init__(self) -> None:
        self._ask, answer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.fork() == 0:
            self._ask.close()
            while arguments := answer.recv(4096):
                answer.send(b"%d" % self._start(json.loads(arguments)))
            os._exit(0)
        answer.close()

    @staticmethod
    def _start(arguments: list[str]) -> int:
        """The exit status; the output is in files."""
        child = os.fork()
        if child == 0:
            for descriptor, name in ((1, "/run/out.json"), (2, "/run/err.txt")):
                os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
            status = 70
            try:
                agent.cli.diagnose.command.main(arguments, prog_name="agent diagnose")
            except SystemExit as ended:
                status = int(ended.code or 0)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def diagnose(self, name: str, *arguments: str) -> None:
        """Keep what `agent diagnose --json` says now under the name of a step, with its exit status."""
        began = time.monotonic()
        self._ask.send(json.dumps(["-c", str(CONFIG), "--lang", "en", "--json", *arguments]).encode())
        status = int(self._ask.recv(64))
        said, complaint = Path("/run/out.json").read_text(), Path("/run/err.txt").read_text()
        document: dict[str, Any] | None = json.loads(said) if said.startswith("{") else None
        told = {"status": status, "document": document, "stderr": complaint}
        RESULTS.setdefault(name, {}).setdefault("diagnoses", []).append(told)
        verdict = document["verdict"] if document else complaint
        print(f"{name}: diagnosed in {time.monotonic() - began:.1f} s: {verdict}", flush=True)


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
    await linked(f"signal: {level} dBm", tries=30)


async def linked(words: str, tries: int = 60) -> None:
    """Until `iw` says this of the link."""
    for _ in range(tries):
        await asyncio.sleep(0.3)
        if words in sh("exec iw dev wlan1 link", check=False):
            return


def province(*spaces: str) -> None:
    """What a site needs from beyond its access points: a line out, a name server, a portal; and the computer's way there."""
    CONFIG.write_text(SITE)
    Path("/run/web").mkdir(exist_ok=True)
    Path("/run/web/index.html").write_text("the portal\n")
    Path("/etc/resolv.conf").write_text("nameserver 10.80.0.1\n")
    for space in spaces:
        beyond = "; ".join(f"ip -n {space} addr add {address}/32 dev lo" for address in ("1.1.1.1", "8.8.8.8", "203.0.113.80"))
        names = "dnsmasq --no-resolv --no-hosts --bind-interfaces --user=root --pid-file --address=/example/203.0.113.80"
        sh(f"{beyond}; ip -n {space} link set lo up; ip netns exec {space} {names}")
        sh(f"ip netns exec {space} busybox httpd -p 80 -h /run/web")
    sh("ip route replace default via 10.80.0.1 dev wlan1")


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


async def coverage(command: Command) -> None:  # noqa: PLR0915  one story, in its order
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
    province("ap", "ap2")
    for _ in range(2):
        command.diagnose("associated, next interval", "--quick")

    await survey()
    capture(2.0)

    signals(-80)
    await settle(-80)
    await until("below the threshold", collector, DEAD, 1.0)
    command.diagnose("below the threshold", "--quick")
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
    await linked(other)
    await step("roamed", collector)

    sh(f"kill $(cat {RUN}/hostapd-wlan0.pid) $(cat {RUN}/hostapd-wlan2.pid)")
    await linked("Not connected")
    await until("access points gone", collector, DEAD, 1.0)
    command.diagnose("access points gone", "--quick")
    sh(f"echo {BUSY} >>{RUN}/hostapd-wlan0.conf")
    sh("ip netns exec ap hostapd -B -P /run/wifi-lab/hostapd-wlan0.pid /run/wifi-lab/hostapd-wlan0.conf")
    await linked("Connected to")
    await until("access point returned", collector, DEAD, 0.0)
    command.diagnose("access point returned", "--quick")

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
    command.diagnose("wrong passphrase", "--quick")
    sh("ip link set wlan1 down", check=False)
    await step("radio off", collector)
    command.diagnose("radio off", "--quick")
    await collector.stop()


async def healthy(command: Command) -> None:
    """A site with nothing but Wi-Fi, in order: diagnosed again and again, quickly and whole."""
    sh(f"ip link set wlan1 up; ap-up {SSID} 6 {SECRET}")
    sh(f"set-signal -55; sta-up {SSID} {SECRET}")
    await settle(-55)
    province("ap")
    for number in range(20):
        command.diagnose("healthy", *(["--quick"] if number % 5 else []))


async def crowd(_: Command) -> None:
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


async def clock(_: Command) -> None:
    """The date set wrong by years and by hours."""
    await wrong_clock(RESULTS)


STORIES = {"crowd": crowd, "coverage": coverage, "healthy": healthy, "clock": clock}


def main() -> None:
    command = Command()
    if os.environ.get("RECORD"):
        keep_datagrams()
    try:
        for name in sys.argv[1:]:
            asyncio.run(STORIES[name](command))
    finally:
        Path("/host/results.json").write_text(json.dumps(RESULTS, indent=1))


main()
