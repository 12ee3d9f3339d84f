"""The sentences: each code has its own, and names its subject."""

from agent.diagnose.codes import CODES, SEVERITIES

ABOUT_THE_COMPUTER = {"host.memory", "host.cpu", "clock.wrong", "agent.spool", "address.duplicate", "dhcp.rogue"}


def test_every_code_says_something_of_its_own_about_its_subject() -> None:
    assert len({code.summary for code in CODES.values()}) == len(CODES)
    for code in CODES.values():
        assert code.severity in SEVERITIES
        assert ("{subject}" in code.summary) != (code.name in ABOUT_THE_COMPUTER), code.name
        assert code.summary.endswith(".")
        assert code.action.endswith((".", "?"))


def test_layers_rise_with_the_contracts_table() -> None:
    layers = [code.layer for code in CODES.values()]
    assert layers == sorted(layers)
