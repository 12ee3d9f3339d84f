from pathlib import Path
from typing import Any

import pytest

from collectors.machine import Machine
from collectors.probe.modem import INSTALLED, MODEM, MODEM_3GPP, SIGNAL, SOCKET, bus_address, modems_of, technology_of


def test_the_best_technology_of_a_set_counts() -> None:
    assert technology_of(1 << 14 | 1 << 5) == "lte"
    assert technology_of(1 << 15 | 1 << 14) == "5gnr"
    assert technology_of(0) == ""


def test_two_modems_of_a_model_are_told_apart_by_their_ports() -> None:
    objects: dict[str, dict[str, dict[str, Any]]] = {
        path: {MODEM: {"Model": "EG25", "PrimaryPort": port}, MODEM_3GPP: {"RegistrationState": 5}}
        for path, port in (("/1", "ttyUSB2"), ("/0", "cdc-wdm0"))
    }
    assert [modem.name for modem in modems_of(objects)] == ["EG25 cdc-wdm0", "EG25 ttyUSB2"]


def test_5g_figures_are_taken_when_5g_is_in_use() -> None:
    (modem,) = modems_of(
        {
            "/0": {
                MODEM: {"AccessTechnologies": 1 << 15 | 1 << 14},
                MODEM_3GPP: {"RegistrationState": 1, "OperatorName": "Viettel"},
                SIGNAL: {"Lte": {"rsrp": -101.0}, "Nr5g": {"rsrp": -88.0, "snr": 20.0}},
            }
        }
    )
    assert (modem.name, modem.operator, modem.technology, modem.rsrp_dbm, modem.sinr_db) == ("modem", "Viettel", "5gnr", -88, 20)


def test_what_is_no_modem_is_passed_over() -> None:
    assert modems_of({"/org/freedesktop/ModemManager1/SIM/0": {"org.freedesktop.ModemManager1.Sim": {}}}) == []


def test_the_bus_is_asked_only_where_the_service_is_installed(tmp_path: Path) -> None:
    machine = Machine(tmp_path, environ={})
    assert bus_address(machine) is None
    for name in (SOCKET, INSTALLED):
        file = tmp_path / name.lstrip("/")
        file.parent.mkdir(parents=True)
        file.touch()
    assert bus_address(machine) == f"unix:path={tmp_path}{SOCKET}"


@pytest.mark.parametrize(("state", "is_registered"), [(-1, False), (2, False), (3, None), (8, None)])
def test_a_modem_without_a_sim_card_or_behind_its_pin_is_not_registered(*, state: int, is_registered: bool | None) -> None:
    """ModemManager shows only the Modem interface of such a one."""
    (modem,) = modems_of({"/m": {MODEM: {"Model": "EC25", "State": state}}})
    assert (modem.name, modem.is_registered, modem.rsrp_dbm) == ("EC25", is_registered, None)
