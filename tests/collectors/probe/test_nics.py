"""Which interfaces count, and what state they are in."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from collectors.machine import Machine
from collectors.probe import nics
from tests.collectors import captured
from tests.netlab import End, Lab, available

NO_LAB = available()


def test_speed_and_duplex(tmp_path: Path) -> None:
    machine = captured.machine(tmp_path, captured.TWO_UPLINKS)
    assert nics.state(machine, "eno1") == nics.Nic(up=True, speed=125e6, full_duplex=True)
    assert nics.state(machine, "enp5s0") == nics.Nic(up=True, speed=12.5e6, full_duplex=False)
    assert nics.state(machine, "ppp0") == nics.Nic(up=True, speed=None, full_duplex=None)
    assert nics.state(machine, "eth9") is None


def test_no_carrier_and_no_speed(tmp_path: Path) -> None:
    machine = captured.machine(tmp_path, captured.LAPTOP)
    assert nics.state(machine, "enp2s0") == nics.Nic(up=False, speed=None, full_duplex=None)


@pytest.mark.parametrize(
    ("files", "physical"),
    [
        (captured.LAPTOP, {"enp2s0", "wlp3s0"}),
        (captured.TWO_UPLINKS, {"eno1", "enp5s0", "ppp0"}),
        (captured.CONTAINER, {"eth0", "eth1"}),
    ],
)
def test_cables_and_radios_only(tmp_path: Path, files: dict[str, str | bytes], physical: set[str]) -> None:
    machine = captured.machine(tmp_path, files)
    names = machine.entries("/sys/class/net")
    routed = {"ppp0", "eth0", "wlp3s0"} & physical
    addressed = {"eno1", "enp5s0", "wg0", "eth0", "eth1", "dummy0", "docker0"}
    assert {name for name in names if nics.is_physical(machine, name, routed=routed, addressed=addressed)} == physical


@pytest.mark.skipif(sys.platform != "linux", reason="the ioctl is Linux's")
def test_without_a_sysfs_of_its_own_the_kernel_is_asked() -> None:
    assert nics._flags_state("lo") == nics.Nic(up=True, speed=None, full_duplex=None)
    assert nics._flags_state("nosuch0") is None


@pytest.mark.skipif(NO_LAB is not None, reason=f"no network laboratory here: {NO_LAB}")
def test_a_pulled_cable() -> None:
    program = "from collectors.machine import Machine; from collectors.probe.nics import state; print(state(Machine(), 'eth0'))"
    root = Path(__file__).parents[3]
    with Lab() as lab:
        pc, switch = lab.node("pc"), lab.node("switch")
        link = lab.link(End(pc, "eth0", ("10.9.0.1/24",)), End(switch))
        assert "up=True" in pc.run([sys.executable, "-c", program], cwd=root).stdout
        with link.cut():
            pc.await_carrier("eth0", up=False)
            assert "up=False" in pc.run([sys.executable, "-c", program], cwd=root).stdout


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("ip") is None, reason="needs iproute2 on Linux")
def test_state_as_iproute2_says() -> None:
    for name in Machine().entries("/sys/class/net"):
        said = subprocess.run(["ip", "-br", "link", "show", "dev", name], capture_output=True, text=True, check=True).stdout
        state = nics.state(Machine(), name)
        assert state is not None
        assert state.up == (said.split()[1] == "UP" or "LOWER_UP" in said)
