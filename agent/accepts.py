"""What a settings type accepts, in words: error messages and the JSON Schema say the same."""

from __future__ import annotations

import types
import typing
from typing import Any, Literal, Union

import msgspec

from collectors.site import Secret
from collectors.wire.units import Duration, Rate, Size

_WORDS = {
    str: "text",
    Secret: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Duration: "a duration such as 30s",
    Size: "a size such as 256MiB",
    Rate: "a rate such as 100Mbit/s",
}


def metas(kind: Any) -> list[msgspec.Meta]:
    """The annotations of a type, outermost last."""
    if typing.get_origin(kind) is not typing.Annotated:
        return []
    base, *extras = typing.get_args(kind)
    return [*metas(base), *(extra for extra in extras if isinstance(extra, msgspec.Meta))]


def bare(kind: Any) -> Any:
    """A type without its annotations."""
    while typing.get_origin(kind) is typing.Annotated:
        kind = typing.get_args(kind)[0]
    return kind


def options(kind: Any) -> list[Any]:
    """The members of a union, annotations of the members kept; the type itself where it is none."""
    kind_bare = bare(kind)
    if typing.get_origin(kind_bare) in (Union, types.UnionType):
        return list(typing.get_args(kind_bare))
    return [kind]


def words_of(kind: Any) -> list[str]:
    """The words that a type accepts literally, such as `auto`."""
    return [
        str(value)
        for option in options(kind)
        if typing.get_origin(bare(option)) is Literal
        for value in typing.get_args(bare(option))
    ]


def is_secret(kind: Any) -> bool:
    """Must a value of this type stay out of every message?"""
    return any(
        bare(option) is Secret or any((meta.extra or {}).get("secret") for meta in metas(option)) for option in options(kind)
    )


def describe(kind: Any) -> str:
    """What a setting of this type accepts, in words."""
    for meta in metas(kind):
        if meta.description:
            return meta.description
        bounds = [f"{word} {bound}" for word, bound in (("at least", meta.ge), ("at most", meta.le)) if bound is not None]
        if bounds:
            return f"{describe(bare(kind))}, {' and '.join(bounds)}"
    members = options(kind)
    if len(members) > 1:
        named = list(dict.fromkeys(describe(option) for option in members if option is not type(None)))
        return " or ".join(named) + (" (or null)" if type(None) in members else "")
    kind = bare(kind)
    if typing.get_origin(kind) is Literal:
        return " | ".join(dict.fromkeys(str(value) for value in typing.get_args(kind)))
    if typing.get_origin(kind) is tuple:
        return f"a list, each item {describe(typing.get_args(kind)[0])}"
    return _WORDS.get(kind, "a group of keys")
