"""The example file does three jobs: documentation, proof of the defaults, sample for the schema that editors use."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml

from agent import config, schema
from agent.accepts import bare, options
from agent.settings import AgentSettings, Core, defaults
from collectors import KINDS
from collectors.site import Settings

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = (ROOT / "config/agent.example.yaml").read_text()
FULL = re.sub(r"(?m)^#(?=  )", "", EXAMPLE)
"""With every example line put to use."""
VALIDATOR = jsonschema.Draft202012Validator(schema.schema())
BAD = sorted((Path(__file__).parent / "config/bad").glob("*.yaml"))


def parsed(text: str, folder: Path) -> AgentSettings:
    return config.parse(folder / "agent.yaml", text, {"SNMP_AUTH": "x"})


def instance(text: str) -> Any:
    """What an editor validates: YAML 1.2, in which dates and yes are text."""

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers = {
            first: [(tag, pattern) for tag, pattern in rows if not tag.endswith("timestamp")]
            for first, rows in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

    return yaml.load(text, Loader)


def test_committed_schema_is_current() -> None:
    assert (ROOT / "config/agent.schema.json").read_text() == schema.as_json(), "run `make docs`"


def test_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(schema.as_json()))


def test_example_says_the_defaults(tmp_path: Path) -> None:
    found, default = parsed(EXAMPLE, tmp_path), defaults()
    assert found.core == default.core
    for kind in KINDS:
        assert (kind.name, found.kinds[kind.name]) == (kind.name, default.kinds[kind.name])


def test_example_is_valid_with_and_without_its_examples(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    for name in set(re.findall(r"secrets/[a-z.-]+", EXAMPLE)):
        (tmp_path / name).write_text("hunter2\n")
    found = parsed(FULL, tmp_path)
    assert [link.name for link in found.kinds["links"]] == ["internet", "tslcd"]
    assert found.core.remote_write is not None
    for text in (EXAMPLE, FULL):
        VALIDATOR.validate(instance(text))


def keys(kind: Any) -> set[str]:
    """Every key below a settings type."""
    found: set[str] = set()
    for option in options(kind):
        inner = bare(option)
        if isinstance(inner, type) and issubclass(inner, Settings):
            for item in msgspec.structs.fields(inner):
                found |= {item.encode_name} | keys(item.type)
        else:
            for argument in getattr(inner, "__args__", ()):
                found |= keys(argument)
    return found


def test_example_is_complete() -> None:
    written = set(re.findall(r"[a-z][a-z0-9_]*(?=:)", EXAMPLE)) | set(
        re.findall(r"or (?:instead )?([a-z_]+), ([a-z_]+)", EXAMPLE)[0]
    )
    wanted = keys(Core) | {kind.name for kind in KINDS} | {key for kind in KINDS for key in keys(kind.settings)}
    assert wanted - written == set(), "config/agent.example.yaml leaves these keys out"
    assert EXAMPLE.startswith("# yaml-language-server: $schema=agent.schema.json\n")


# What is wrong beyond the shape of single values: an editor cannot know it.
BEYOND_A_SCHEMA = {
    "device_auth", "device_parent", "duplicate_key", "duplicate_section", "duration_zero", "gateway", "beacon_name", "label_own",
    "reserved_header", "link_device", "link_port", "link_twice", "link_unknown", "link_unknown_from_environment", "listen_port", "listen_ipv6",
    "listen_from_environment", "duration_from_environment", "password_twice", "quorum", "secret_file_empty", "secret_file_folder",
    "secret_file_missing", "snmp_privacy", "snmp_user", "target_twice", "time_zone", "timeout_zero", "tls_half", "variable_missing",
    "web_config_missing", "web_config_mistake", "week_day", "week_hours", "closed_date", "open_hours", "tag_int",
    "list_as_key", "merge_itself", "merge_scalar",
}  # fmt: skip


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_an_editor_finds_what_the_agent_finds(path: Path) -> None:
    try:
        value = instance(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError):
        return  # not YAML: every editor says so
    assert VALIDATOR.is_valid(value) is (path.stem in BEYOND_A_SCHEMA)
