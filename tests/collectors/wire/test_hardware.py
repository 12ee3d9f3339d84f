"""Hashes of hardware addresses."""

from collectors.wire.hardware import hashed, hide


def test_one_name_for_all_notations_and_another_for_another_key() -> None:
    names = {hashed(text, b"key") for text in ("02:AB:cd:00:00:01", "02-ab-cd-00-00-01", "02ab.cd00.0001")}
    assert len(names) == 1
    (name,) = names
    assert len(name) == 16
    assert hashed("02:ab:cd:00:00:01", b"other") != name
    assert hashed("02:ab:cd:00:00:02", b"key") != name


def test_a_text_keeps_all_but_the_addresses() -> None:
    name = hashed("02:ab:cd:00:00:01", b"key")
    assert hide("192.168.1.9: 02:ab:cd:00:00:01, 2001:db8::1", b"key") == f"192.168.1.9: host {name}, 2001:db8::1"
