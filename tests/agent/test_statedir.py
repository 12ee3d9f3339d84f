"""The state directory: found, made, held by one."""

from pathlib import Path

import pytest

from agent import statedir
from agent.config import parse
from agent.settings import AgentSettings, defaults
from collectors.machine import Machine


def settings(folder: Path, name: str) -> AgentSettings:
    return parse(folder / "agent.yaml", f"state_dir: {name}\n", {})


def test_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert statedir.wanted(settings(tmp_path, "state"), Machine()) == tmp_path / "state"
    assert statedir.wanted(defaults(), Machine(environ={"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"})) == Path("/var/lib/a")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert statedir.wanted(defaults(), Machine(environ={})) == Path("/var/lib/commune-agent")
    monkeypatch.setattr("os.geteuid", lambda: 12345)
    assert statedir.wanted(defaults(), Machine(environ={"XDG_STATE_HOME": "/home/x/state"})) == Path(
        "/home/x/state/commune-agent"
    )


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def no_home() -> Path:
        message = "Could not determine home directory."
        raise RuntimeError(message)

    monkeypatch.setattr("os.geteuid", lambda: 12345)
    monkeypatch.setattr(Path, "home", no_home)
    assert statedir.prepare(defaults(), Machine(environ={})) is None
    assert "no home directory" in vars(caplog.records[0])["error"]


def test_made_for_the_agent_and_its_group(tmp_path: Path) -> None:
    path = statedir.prepare(settings(tmp_path, "a/b"), Machine())
    assert path == tmp_path / "a/b"
    assert path.stat().st_mode & 0o007 == 0


def test_one_that_cannot_be_made(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    assert statedir.prepare(settings(tmp_path, "file/state"), Machine()) is None
    (record,) = caplog.records
    assert "Not a directory; name a writable one with the key state_dir" in vars(record)["error"]


def test_held_by_one_at_a_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with statedir.held(tmp_path) as first:
        with statedir.held(tmp_path) as second:
            assert (first, second) == (True, False)
        assert "another agent holds it" in vars(caplog.records[0])["error"]
    with statedir.held(tmp_path) as again:
        assert again
    with statedir.held(None) as nowhere:
        assert not nowhere
