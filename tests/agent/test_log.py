"""One line per event, whatever the facts hold."""

import io
import logging
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.log import Logfmt

PAIR = re.compile(r'([a-z_]+)=((?:"(?:[^"\\]|\\.)*")|[^ "=]+)(?: |$)')


def line(message: str, **facts: object) -> str:
    record = logging.LogRecord("agent", logging.INFO, __file__, 1, message, None, None)
    vars(record).update(facts)
    return Logfmt().format(record)


def test_form() -> None:
    text = line("surroundings changed", routes=2, path="/a b", name_of='q"uo', empty="")
    assert re.fullmatch(
        r'ts=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=info msg="surroundings changed" routes=2 path="/a b" name_of="q\\"uo" empty=""',
        text,
    )


@given(st.text(), st.text())
def test_one_line_of_pairs_whatever_they_hold(message: str, fact: str) -> None:
    text = line(message, fact=fact)
    assert text.isprintable()
    assert [match[1] for match in PAIR.finditer(text)] == ["ts", "level", "msg", "fact"]
    assert "".join(match[0] for match in PAIR.finditer(text)) == text


@pytest.mark.parametrize(("level", "shown"), [(logging.DEBUG, True), (logging.INFO, False)])
def test_tracebacks_are_for_debugging(level: int, shown: bool) -> None:  # noqa: FBT001
    stream, root = io.StringIO(), logging.getLogger()
    handler, before = logging.StreamHandler(stream), root.level
    handler.setFormatter(Logfmt())
    root.addHandler(handler)
    root.setLevel(level)
    try:
        logging.getLogger("agent.test").error("failed", exc_info=ValueError("why"))
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
    assert ("traceback=" in stream.getvalue()) is shown
    assert stream.getvalue().count("\n") == 1
