"""Hashes of hardware addresses."""

from collectors.wire.hardware import hashed


def test_one_name_for_all_notations_and_another_for_another_key() -> None:
    names = {hashed(text, b"key") for text in ("02:AB:cd:00:00:01", "02-ab-cd-00-00-01", "02ab.cd00.0001")}
    assert len(names) == 1
    (name,) = names
    assert len(name) == 16
    assert hashed("02:ab:cd:00:00:01", b"other") != name
    assert hashed("02:ab:cd:00:00:02", b"key") != name
