"""Every mistake of a configuration: one file each, its exact message in the first line; and that nothing else is ever raised."""

import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import config
from agent.settings import AgentSettings, defaults

HERE = Path(__file__).parent / "config"
BAD = sorted((HERE / "bad").glob("*.yaml"))
ENVIRON = {"SECRET_WORD": "Xhunter2X", "LISTEN_ADDRESS": "127.0.0.1:99999"}


def mistakes(text: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(config.ConfigError) as caught:
        config.parse(Path("/etc/agent.yaml"), textwrap.dedent(text), environ or {})
    return [mistake.removeprefix("/etc/agent.yaml:") for mistake in caught.value.mistakes]


def good(text: str, environ: dict[str, str] | None = None) -> AgentSettings:
    return config.parse(Path("/etc/agent.yaml"), textwrap.dedent(text), environ or {})


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_one_mistake_one_exact_message(path: Path) -> None:
    with path.open("rb") as handle:
        expected = handle.readline().decode().removeprefix("# expect: ").rstrip("\n")
    with pytest.raises(config.ConfigError) as caught:
        config.load(path, ENVIRON)
    folder = str(path.absolute().parent)
    said = [mistake.removeprefix(f"{path}:").replace(folder, "<dir>").strip() for mistake in caught.value.mistakes]
    assert said == [expected]
    assert "hunter2" not in str(caught.value)
    assert "\n" not in said[0]


def test_every_mistake_in_one_go_by_line_with_cross_checks_of_the_whole_sections() -> None:
    assert mistakes("""
        site: {commune: 1}
        ping: {interval: 5, targets: [{name: a}]}
        tcp:
          targets:
            - {name: a, address: "b:1"}
            - {name: a, address: "b:1"}
        hosts: {}
        listen: 127.0.0.1:0
    """) == [
        (
            '2: site.commune: text is expected; write it in quotes: "1"'
            " (the administrative code: five digits, quoted, since it may begin with 0)"
        ),
        "3: ping.interval: '5' is not understood; write a number and a unit (ms, s, m, h, d), such as 30s",
        "3: ping.targets[0].address: missing; write a name, 1 to 128 characters",
        "7: tcp.targets[1].name: a is used twice; names must differ",
        "8: hosts: unknown key; did you mean host?",
        "9: listen: 0 is no port; write 1 to 65535",
    ]


def test_a_mistake_in_the_web_configuration_is_told_with_the_others(tmp_path: Path) -> None:
    (tmp_path / "web.yml").write_text("basic_auth_user: {}\n")
    file = tmp_path / "agent.yaml"
    file.write_text("web_config_file: web.yml\nhosts: {}\n")
    with pytest.raises(config.ConfigError) as caught:
        config.load(file)
    assert caught.value.mistakes == [
        f"{file}:2: hosts: unknown key; did you mean host?",
        f"{tmp_path}/web.yml:1: basic_auth_user: unknown key; did you mean basic_auth_users?",
    ]


def test_nothing_and_empty_sections_are_the_defaults() -> None:
    for text in ("", "# nothing\n", "---\n", "ping:\nlinks:\nsnmp:\nsite:\nlabels:\nremote_write:\nlisten:\n", "{}", "\ufeff"):
        found = good(text.removeprefix("\ufeff"))
        assert found.core == defaults().core
        assert found.kinds == defaults().kinds


def test_byte_order_mark_and_carriage_returns_of_a_windows_editor(tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    file.write_bytes("\ufeffsite:\r\n  name: Phường Xuân Hương\r\n".encode())
    assert config.load(file, {}).core.site.name == "Phường Xuân Hương"


def test_anchors_and_merge_keys() -> None:
    found = good("""
        tcp:
          targets:
            - &base {name: a, address: "a:1", link: null}
            - {<<: *base, name: b}
            - {<<: [{address: "c:1"}, *base], name: c}
    """)
    assert [(target.name, target.address) for target in found.kinds["tcp"].targets] == [("a", "a:1"), ("b", "a:1"), ("c", "c:1")]


def test_aliases_cannot_fill_the_memory() -> None:
    levels = "\n".join(f"  l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 30))
    said = mistakes(f"tcp:\n  l0: &l0 [x]\n{levels}\n  targets: *l29\n")
    assert any("unknown key" in mistake for mistake in said)
    merges = "\n".join(f"- &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 9)}]}}" for n in range(1, 30))
    said = mistakes(f"links:\n- &m0 {{name: a}}\n{merges}\n")
    assert said == ["4: too large once aliases are filled in; this is no configuration file"] or "too large" in said[0]


def test_variables_fill_strings_numbers_and_secrets() -> None:
    found = good(
        """
        site: {name: "Phường ${WARD}"}
        snmp:
          auths: {default: {community: "${COMMUNITY}"}}
          devices: [{name: switch-1, address: "${NET}.2", port: "${PORT}"}]
        """,
        {"WARD": "Xuân Hương", "COMMUNITY": "hunter2", "NET": "192.168.1", "PORT": "1161"},
    )
    assert found.core.site.name == "Phường Xuân Hương"
    snmp = found.kinds["snmp"]
    assert (snmp.devices[0].address, snmp.devices[0].port) == ("192.168.1.2", 1161)
    assert snmp.auths["default"].community == "hunter2"
    assert "hunter2" not in repr(found)


def test_the_text_of_a_variable_is_no_yaml() -> None:
    found = good('site: {name: "${NAME}", zone: "${NULL}"}', {"NAME": "a: [b", "NULL": "null"})
    assert (found.core.site.name, found.core.site.zone) == ("a: [b", "null")


def test_dates_and_words_that_yaml_reads_otherwise() -> None:
    found = good("""
        site: {service_hours: {closed: [2026-09-02, "2026-01-01"]}}
        snmp: {auths: {old: {version: 1, community: a}, new: {version: 3, username: u}}}
        remote_write: {url: "http://a/", protocol: 2.0}
    """)
    assert found.core.site.service_hours.closed == ("2026-09-02", "2026-01-01")
    assert [str(auth.version) for auth in found.kinds["snmp"].auths.values()] == ["1", "3"]
    assert found.core.remote_write is not None
    assert found.core.remote_write.protocol == "2.0"


def test_file_names_are_relative_to_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/password").write_text("hunter2\n")
    file = tmp_path / "agent.yaml"
    file.write_text("remote_write: {url: 'https://m.example/', basic_auth: {username: u, password_file: secrets/password}}\n")
    monkeypatch.chdir("/")
    remote_write = config.load(file).core.remote_write
    assert remote_write is not None
    assert remote_write.basic_auth is not None
    assert remote_write.basic_auth.password_file == str(tmp_path / "secrets/password")
    file.write_text("state_dir: ~/agent\n")
    monkeypatch.setenv("HOME", "/srv/home")
    assert config.load(file).core.state_dir == "/srv/home/agent"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere.yaml", "cannot be read: No such file or directory; name a readable file"),
        (".", "not a file; name a file"),
        ("large.yaml", "larger than 4 MiB; this is no configuration file"),
        ("sixteen.yaml", "1: not UTF-8 text; save the file as UTF-8"),
    ],
)
def test_files_that_are_none(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "large.yaml").write_bytes(b"#" * (4 * 2**20 + 1))
    (tmp_path / "sixteen.yaml").write_bytes("site: {}\n".encode("utf-16"))
    with pytest.raises(config.ConfigError) as caught:
        config.load(tmp_path / name)
    assert caught.value.mistakes[0].removeprefix(str(tmp_path / name)).lstrip(": ") == said


def survives(data: bytes) -> None:
    """Reading ends with settings or with mistakes of one line each, never otherwise."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return
    told = ["/etc/agent.yaml: nothing"]
    try:
        config.parse(Path("/etc/agent.yaml"), text, {"A": "hunter2"})
    except config.ConfigError as error:
        told = error.mistakes
    assert told
    for mistake in told:
        assert mistake.startswith("/etc/agent.yaml:")
        assert "\n" not in mistake
        assert "hunter2" not in mistake


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_random_bytes(data: bytes) -> None:
    survives(data)


PIECES = (
    "ping: host: links: snmp: auths: <<: *a &a [ ] { } - , ? ! !!int !!map !!binary | > # % @ ` ' \" null ~ 1 1.0 1e999 0x 0o7"
    " .nan yes 2026-01-01 12:30:45 ${A} ${B} 5s targets: name: interval: a --- ..."
)
YAML_BITS = st.lists(st.sampled_from([*PIECES.split(), "\n", "\n  ", "\t", "\x00", "\x85", "\ud7ff"]), max_size=40).map(" ".join)


@given(YAML_BITS)
@settings(max_examples=300, deadline=None)
def test_random_pieces_of_yaml(text: str) -> None:
    survives(text.encode())


KEYS = st.sampled_from(
    ["ping", "site", "links", "snmp", "http", "labels", "remote_write", "interval", "targets", "name", "address", "service_hours",
     "closed", "week", "timezone", "auths", "default", "version", "listen", "url", "devices", "link", "beacons", "quorum", "x"]
)  # fmt: skip
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.dates()
    | st.sampled_from(["5s", "a", "${A}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, VALUES, max_size=5))
@settings(max_examples=300, deadline=None)
def test_random_values_under_known_keys(value: Any) -> None:
    survives(yaml.safe_dump(value, allow_unicode=True).encode())
