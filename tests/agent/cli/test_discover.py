"""`agent discover` against snmpsim on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from agent import config
from agent.cli.discover import command
from tests.collectors.snmp.recordings import unpack_packaged
from tests.collectors.snmp.simulator import simulated


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("recordings")
    unpack_packaged(folder)
    for path in folder.iterdir():
        if path.stem == "camera_hikvision":
            path.rename(folder / "public.snmprec")
        else:
            path.unlink()
    with simulated(folder, tmp_path_factory.mktemp("snmpsim")) as found:
        yield found


def test_prints_configuration_that_is_valid(port: int, tmp_path: Path) -> None:
    result = CliRunner().invoke(command, ["127.0.0.1/32", "--port", str(port)])
    assert result.exit_code == 0, result.output
    section = yaml.safe_load(result.output)
    assert section["snmp"]["devices"][0]["address"] == "127.0.0.1"
    assert "Hikvision DS-2CD4C36FWD-AP" in result.output
    file = tmp_path / "agent.yaml"
    file.write_text(result.output)
    assert config.load(file).kinds["snmp"].devices[0].auth == "default"


def test_json_tells_profile_and_vendor(port: int) -> None:
    result = CliRunner().invoke(command, ["127.0.0.1/32", "--port", str(port), "--json"])
    (device,) = json.loads(result.output)
    assert (device["vendor"], device["profile"], device["answers_snmp"]) == ("Hikvision", "hikvision", True)


@pytest.mark.parametrize(
    ("cidr", "told"),
    [
        ("8.8.8.0/24", "not a private range"),
        ("127.0.0.0/8", "smaller range"),
        ("10.254.254.0/24", "no network of this computer"),
        ("nonsense", "no IPv4 range"),
    ],
)
def test_only_private_and_small_ranges(cidr: str, told: str) -> None:
    result = CliRunner().invoke(command, [cidr])
    assert result.exit_code != 0
    assert told in result.output


def test_nobody_there_is_an_empty_section() -> None:
    result = CliRunner().invoke(command, ["127.0.0.9/32", "--port", "9"])
    assert result.exit_code == 0, result.output
    assert yaml.safe_load(result.output) == {"snmp": {"devices": []}}


def test_who_answers_an_echo_request_alone_is_told_as_a_ping_target() -> None:
    result = CliRunner().invoke(command, ["127.0.0.9/32", "--port", "9"])
    assert "127.0.0.9 does not answer SNMP; as a ping target: {name: 127.0.0.9, address: 127.0.0.9}" in result.output
