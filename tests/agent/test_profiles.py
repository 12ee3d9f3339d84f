"""SNMP profiles, checked with their lines through the configuration that uses them."""

from pathlib import Path

import pytest

from agent import config, profiles

DEVICES = "snmp: {profiles_dir: profiles, devices: [{name: switch, address: 192.0.2.1, profile: PROFILE}]}\n"


def site(folder: Path, profile: str, text: str) -> Path:
    (folder / "profiles").mkdir()
    (folder / "profiles" / "own.yaml").write_text(text, encoding="utf-8")
    file = folder / "agent.yaml"
    file.write_text(DEVICES.replace("PROFILE", profile), encoding="utf-8")
    return file


def mistakes(file: Path) -> list[str]:
    with pytest.raises(config.ConfigError) as caught:
        config.load(file)
    return caught.value.mistakes


def test_a_mistake_in_a_profile_is_told_with_its_own_file_and_line(tmp_path: Path) -> None:
    found = mistakes(site(tmp_path, "auto", "vendor: [{text: Own}]\nmatchs: {}\n"))
    assert found == [f"{tmp_path}/profiles/own.yaml:2: matchs: unknown key; did you mean match?"]


def test_a_table_that_no_profile_has_is_told_where_it_is_named(tmp_path: Path) -> None:
    text = """inherits: [ucd]
without: [ucd-diskz]
tables:
  - {name: own, columns: {a: 1.3.6.1.4.1.1.1.0}}
  - {name: other, columns: {b: 1.3.6.1.4.1.1.2.0}, when_no: [own, storag], when: [storage]}
"""
    path = f"{tmp_path}/profiles/own.yaml"
    assert mistakes(site(tmp_path, "own", text)) == [
        f"{path}:2: without[0]: no profile has a table 'ucd-diskz'; did you mean ucd-disks?",
        f"{path}:5: tables[1].when_no[1]: no profile has a table 'storag'; did you mean storage?",
    ]


def test_a_profile_that_is_not_there_is_told_at_the_device(tmp_path: Path) -> None:
    (found,) = mistakes(site(tmp_path, "mikrotic", "vendor: [{text: Own}]\n"))
    assert found.startswith(f"{tmp_path}/agent.yaml:1: snmp.devices[0].profile: there is no profile 'mikrotic'; accepted: auto, ")
    assert "own" in found


def test_a_site_may_bring_its_own_profile(tmp_path: Path) -> None:
    assert config.load(site(tmp_path, "own", "vendor: [{text: Own}]\n")).kinds["snmp"].devices[0].profile == "own"


def test_the_directory_must_be_there(tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text("snmp: {profiles_dir: nowhere}\n", encoding="utf-8")
    assert "snmp.profiles_dir" in mistakes(file)[0]


def test_a_profile_is_told_from_a_configuration(tmp_path: Path) -> None:
    own, agent = tmp_path / "own.yaml", tmp_path / "agent.yaml"
    own.write_text("vendor: [{text: Own}]\nmatch: []\n", encoding="utf-8")
    agent.write_text("snmp: {}\n", encoding="utf-8")
    assert profiles.looks_like_profile(own)
    assert not profiles.looks_like_profile(agent)
    assert not profiles.looks_like_profile(tmp_path / "none.yaml")
    assert not profiles.looks_like_profile(Path("/dev/zero"))
