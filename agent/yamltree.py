"""From a file to the YAML node tree: the tree, unlike plain values, knows the line of every key.

Whatever the file holds, the outcome is a tree of bounded depth or one sentence that says what is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

MAX_BYTES = 4 * 2**20
MAX_DEPTH = 40
_TAG = "tag:yaml.org,2002:"
NULL, TEXT, DATE, MERGE = f"{_TAG}null", f"{_TAG}str", f"{_TAG}timestamp", f"{_TAG}merge"
_SCALARS = frozenset(_TAG + name for name in ("null", "bool", "int", "float", "str", "timestamp"))
_GROUPS = frozenset({f"{_TAG}map", f"{_TAG}seq"})
_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class ConfigError(Exception):
    """All mistakes of a configuration; `str()` gives one line each."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


@dataclass
class TreeError(Exception):
    """What is wrong, and in which line."""

    line: int
    message: str


def text_of(path: Path) -> str:
    """The text of a configuration file, with or without a byte-order mark.

    Raises:
        ConfigError: it cannot be read, is no UTF-8 text, or is larger than any configuration.
    """
    try:
        if not path.is_file() and path.exists():
            message = f"{path}: not a file; name a file"
            raise ConfigError([message])
        with path.open("rb") as handle:
            data = handle.read(MAX_BYTES + 1)
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror or error}; name a readable file"
        raise ConfigError([message]) from None
    except ValueError:
        message = f"{str(path)!r}: no file name; name a readable file"
        raise ConfigError([message]) from None
    if len(data) > MAX_BYTES:
        message = f"{path}: larger than {MAX_BYTES // 2**20} MiB; this is no configuration file"
        raise ConfigError([message])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"{path}:{line}: not UTF-8 text; save the file as UTF-8"
        raise ConfigError([message]) from None


def compose(text: str) -> yaml.Node | None:
    """The node tree of a text, None for an empty one.

    Raises:
        TreeError: it is not YAML, or not YAML that a configuration can be.
    """
    try:
        depth = 0
        for event in yaml.parse(text, Loader=_LOADER):  # without recursion, so that depth cannot exhaust the stack
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise TreeError(line_of(event), f"nested more than {MAX_DEPTH} deep; this is no configuration file")
        node: yaml.Node | None = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = min(mark.line + 1 if mark else 1, text.count("\n") + 1)
        raise TreeError(line, _advice(text, line, str(error.problem or error.context))) from None
    except yaml.YAMLError:
        bad = next((index for index, character in enumerate(text) if not (character.isprintable() or character in "\t\r\n")), 0)
        line = text.count("\n", 0, bad) + 1
        raise TreeError(line, f"not valid YAML: character U+{ord(text[bad]):04X} is not allowed; remove it") from None
    except ValueError as error:  # surrogates that cannot be encoded
        raise TreeError(1, f"not valid YAML: {type(error).__name__}; save the file as UTF-8") from None
    return node


def _advice(text: str, line: int, problem: str) -> str:
    rows = text.splitlines()
    row = rows[line - 1] if line <= len(rows) else ""
    if "\t" in row[: len(row) - len(row.lstrip())] or "'\\t'" in problem:
        return "not valid YAML: a tab; indent with spaces"
    return f"not valid YAML: {problem}"


def is_null(node: yaml.Node) -> bool:
    """Nothing was written, or `null`."""
    return isinstance(node, yaml.ScalarNode) and node.tag == NULL


def empty() -> yaml.Node:
    """The tree of a file that holds nothing."""
    mark = yaml.Mark("", 0, 0, 0, "", 0)
    return yaml.ScalarNode(NULL, "", mark, mark)


def line_of(node: yaml.Node | yaml.Event) -> int:
    """The line where a node begins, from 1."""
    return node.start_mark.line + 1 if node.start_mark else 1


def foreign_tag(node: yaml.Node) -> str | None:
    """A tag such as `!include` or `!!python/object`, which a configuration cannot hold."""
    known = _SCALARS if isinstance(node, yaml.ScalarNode) else _GROUPS
    return None if node.tag in known else node.tag.replace(_TAG, "!!")


def plain(node: yaml.ScalarNode) -> object:
    """The value of a scalar: text, number, truth value or None; a date stays text.

    Raises:
        ValueError: the scalar does not hold what its tag says.
    """
    if node.tag in (TEXT, DATE):
        return node.value
    try:
        return yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, ValueError, KeyError, IndexError, OverflowError) as error:
        raise ValueError(type(error).__name__) from None
