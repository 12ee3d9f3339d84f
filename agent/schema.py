"""The configuration's JSON Schema (draft 2020-12), for editors that complete and check while one types.

Generated from the same types that `config` reads by, so that the two cannot disagree; `make docs` writes it to
config/agent.schema.json.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
import types
import typing
from pathlib import Path
from typing import Any, Literal

import msgspec

from agent.accepts import bare, describe, metas, options
from agent.settings import Core
from collectors import KINDS
from collectors.site import Secret, Settings
from collectors.wire.units import Duration, Rate, Size

_NUMBER = r"\s*\d{1,15}(\.\d{1,9})?\s*"
_VARIABLE = r"\$\{[A-Za-z_][A-Za-z0-9_]*\}"
_UNITS = {
    Duration: r"(ms|s|m|h|d)",
    Size: r"(B|kB|MB|GB|KiB|MiB|GiB)",
    Rate: r"([kMG]?bit/s)",
}
_SIMPLE: dict[Any, str] = {str: "string", Secret: "string", int: "integer", float: "number", bool: "boolean"}


def schema() -> dict[str, Any]:
    """The schema of an agent's configuration file."""
    definitions: dict[str, Any] = {}
    whole = _struct(Core, definitions)
    sections = whole["properties"]
    for kind in KINDS:
        text = inspect.getdoc(sys.modules[f"collectors.{kind.name}"]) or ""
        about = re.sub(r"\s+", " ", text.partition("\n\n")[0]).removeprefix(f"{kind.name}: ")
        sections[kind.name] = {**_of(kind.settings, definitions), "description": about, "default": plain(kind.default)}
    whole["properties"] = {name: _nullable(found) for name, found in sections.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of commune-agent",
        **whole,
        "description": "Generated from the settings types by `make docs`. Every section may be left out.",
        "$defs": dict(sorted(definitions.items())),
    }


def document(kind: type[Settings], title: str) -> dict[str, Any]:
    """The schema of another file of settings, such as a province's inventory."""
    definitions: dict[str, Any] = {}
    whole = _struct(kind, definitions)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    return {
        **head,
        **whole,
        "description": "Generated from its types by `make docs`.",
        "$defs": dict(sorted(definitions.items())),
    }


def as_json(found: dict[str, Any] | None = None) -> str:
    """A schema as its file under config/ holds it; without one that of an agent's configuration."""
    return json.dumps(schema() if found is None else found, indent=2, ensure_ascii=False) + "\n"


def _nullable(found: dict[str, Any]) -> dict[str, Any]:
    """A section without content is one that was left out."""
    outside: dict[str, Any] = {key: found[key] for key in ("description", "default") if key in found}
    inside = {key: value for key, value in found.items() if key not in outside}
    if list(inside) == ["anyOf"] and {"type": "null"} in inside["anyOf"]:
        return found
    return {"anyOf": [inside, {"type": "null"}], **outside}


def _of(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of any type of a setting."""
    members = options(kind)
    if len(members) > 1:
        found = [_of(option, definitions) for option in members if option is not types.NoneType]
        return {"anyOf": [*found, {"type": "null"}] if types.NoneType in members else found}
    result = _single(bare(kind), definitions)
    for meta in metas(kind):
        limits = {"pattern": meta.pattern, "minimum": meta.ge, "maximum": meta.le}
        limits |= {"minLength": meta.min_length, "maxLength": meta.max_length, "description": meta.description}
        result |= {key: value for key, value in limits.items() if value is not None}
    if "pattern" in result and "(" + _VARIABLE not in result["pattern"]:
        result["pattern"] = f"({result['pattern']})|{_VARIABLE}"
    if result.get("type") in {"integer", "number", "boolean"}:
        return {"anyOf": [result, {"type": "string", "pattern": f"^{_VARIABLE}$"}]}
    return result


def _single(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin = typing.get_origin(kind)
    if origin is Literal:
        values = list(dict.fromkeys(typing.get_args(kind)))
        numbers = [json.loads(value) for value in values if isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?", value)]
        return {"enum": list(dict.fromkeys([*values, *numbers]))}
    if origin is tuple:
        return {"type": "array", "items": _of(typing.get_args(kind)[0], definitions)}
    if origin is dict:
        key, value = typing.get_args(kind)
        names = {key_: found for key_, found in _of(key, definitions).items() if key_ == "pattern"}
        return {"type": "object", "additionalProperties": _of(value, definitions), **({"propertyNames": names} if names else {})}
    if kind in _UNITS:
        return {"type": "string", "pattern": f"(^{_NUMBER}{_UNITS[kind]}\\s*$)|({_VARIABLE})", "description": describe(kind)}
    if isinstance(kind, type) and issubclass(kind, Settings):
        if kind.__name__ not in definitions:
            definitions[kind.__name__] = {}
            definitions[kind.__name__] = _struct(kind, definitions)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    return {"type": _SIMPLE[kind]}


def _struct(kind: type[Settings], definitions: dict[str, Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(kind, include_extras=True)
    properties, required = {}, []
    for item in msgspec.structs.fields(kind):
        found = _of(hints[item.name], definitions)
        if item.required:
            required.append(item.encode_name)
        else:
            default = item.default if item.default is not msgspec.NODEFAULT else item.default_factory()
            found = {**found, "default": plain(default)}
        properties[item.encode_name] = found
    result: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    text = inspect.getdoc(kind)
    if text:
        result["description"] = re.sub(r"\s+", " ", text)
    return result | ({"required": required} if required else {})


def plain(value: Any) -> Any:
    """A settings value as it is written in a configuration file."""
    if isinstance(value, Duration | Size | Rate):
        return str(value)
    if isinstance(value, Settings):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return str(value) if isinstance(value, str) else value
