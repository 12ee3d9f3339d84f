"""Walks a YAML node tree along a settings type and collects every mistake with its line.

Values are converted by msgspec; `${ENV_VAR}` is filled in inside strings. Messages show what the file holds, never what
a variable held, and nothing at all of a secret.
"""

from __future__ import annotations

import functools
import os
import re
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from agent.accepts import bare, describe, is_secret, options, words_of
from agent.yamltree import MERGE, ConfigError, TreeError, compose, empty, foreign_tag, is_null, line_of, plain, text_of
from collectors.site import InvalidError, Secret, Settings
from collectors.wire.units import Duration, Rate, Size, parse_duration, parse_rate, parse_size

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_USERINFO = re.compile(r"(?<=//)[^/@\s]*@")
_PARSERS: dict[type, Callable[[str], Any]] = {Duration: parse_duration, Size: parse_size, Rate: parse_rate}
_MAX_NODES = 100_000
_SHOWN = 80
SettingsT = TypeVar("SettingsT", bound=Settings)
Keys = dict[str, tuple[yaml.Node, int]]


@dataclass
class Reader:
    """Reads one file.

    Attributes:
        name: the file, as messages name it.
        environ: environment variables.
        directory: what relative file names (keys in `_file` and `_dir`) are relative to.
        mistakes: what is wrong, by line.
        warnings: what looks wrong, and the agent can do without.
        lines: the line of every key that was read.
        expanded: the written form of every value that an environment variable had a part in.
    """

    name: str
    environ: Mapping[str, str]
    directory: Path = field(default_factory=Path.cwd)
    mistakes: list[tuple[int, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    expanded: dict[str, tuple[str, str]] = field(default_factory=dict)
    _nodes: int = 0

    def fail(self, line: int, path: str, message: str) -> None:
        """Note a mistake."""
        self.mistakes.append((line, f"{self.name}:{line}: " + (f"{path}: " if path else "") + message))

    def fail_at(self, path: str, message: str, *values: object) -> None:
        """Note a mistake at a key that was read before, or at the nearest one above it.

        `values` replace the `{}` of the message; those that came from the environment are shown as they are written.
        """
        known = path
        while known not in self.lines and re.search(r"[.\[]", known):
            known = re.split(r"[.\[](?=[^.\[]*$)", known)[0]
        shown = message.format(*(self.show(path, value) for value in values)) if values else message
        self.fail(self.lines.get(known, 1), path, shown)

    def warn_at(self, path: str, message: str, *values: object) -> None:
        """Note what looks wrong at a key, in the words of `fail_at`."""
        self.fail_at(path, message, *values)
        self.warnings.append(self.mistakes.pop()[1])

    def show(self, path: str, value: object) -> str:
        """A value as a message may show it."""
        text = str(value)
        if path in self.expanded:
            written, advice = self.expanded[path][0], text.partition("; ")[2]
            return f"{written} is not understood; {advice}" if isinstance(value, Exception) else written
        if isinstance(value, Exception):
            return text
        for written, real in self.expanded.values():
            if text == real:
                return written
        return shorten(text)

    def finish(self) -> None:
        """Raise all mistakes, in the order of their lines."""
        if self.mistakes:
            raise ConfigError([text for _, text in sorted(self.mistakes, key=lambda item: item[0])])

    def tree(self, text: str) -> yaml.Node | None:
        """The node tree of a text; a text that is not YAML ends the reading."""
        try:
            return compose(text)
        except TreeError as error:
            self.fail(error.line, "", error.message)
            self.finish()
            return None

    def keys(self, node: yaml.Node, path: str) -> Keys | None:
        """The keys of a mapping node with their value nodes and lines; None when it is no mapping."""
        if is_null(node):
            return {}
        if not isinstance(node, yaml.MappingNode):
            self.fail(line_of(node), path, "keys and values belong here (`key: value` lines)")
            return None
        found: Keys = {}
        for key_node, value_node, merged in self._pairs(node, path, ()):
            line = line_of(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self.fail(line, path, "a key must be a word, not a list or a group")
                continue
            key = str(key_node.value)
            if key not in found:
                found[key] = (value_node, line)
                self.lines[join(path, key)] = line
            elif not merged:
                self.fail(line, join(path, key), f"written twice; the first is at line {found[key][1]}")
        return found

    def _pairs(self, node: yaml.MappingNode, path: str, above: tuple[int, ...]) -> Iterator[tuple[yaml.Node, yaml.Node, bool]]:
        """Own pairs first, then those merged by `<<`, of which the first wins."""
        merges = []
        for key_node, value_node in node.value:
            self._count(key_node)
            if key_node.tag == MERGE:
                merges.append(value_node)
            else:
                yield key_node, value_node, bool(above)
        for value_node in merges:
            for source in value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]:
                if not isinstance(source, yaml.MappingNode) or id(source) in above or source is node:
                    self.fail(line_of(value_node), path, "`<<` takes in another group of keys: write an alias such as *name")
                else:
                    for key_node, child, _ in self._pairs(source, path, (*above, id(node))):
                        yield key_node, child, True

    def _count(self, node: yaml.Node) -> None:
        self._nodes += 1
        if self._nodes > _MAX_NODES:
            self.mistakes.clear()
            self.fail(line_of(node), "", "too large once aliases are filled in; this is no configuration file")
            self.finish()

    def unknown(self, key: str, line: int, path: str, known: list[str]) -> None:
        """Note an unknown key, with the nearest known one."""
        import difflib  # noqa: PLC0415  only for a mistake

        near = difflib.get_close_matches(key[:_SHOWN], known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"known are: {', '.join(sorted(known))}"
        self.fail(line, join(path, key), f"unknown key; {hint}")

    def struct(self, node: yaml.Node, kind: type[Settings], path: str) -> Any:
        """A mapping node as a settings value; None after a mistake."""
        keys = self.keys(node, path)
        if keys is None:
            return None
        hints = _hints(kind)
        fields = {item.encode_name: item for item in msgspec.structs.fields(kind)}
        before = len(self.mistakes)
        values = {}
        for key, (value_node, line) in keys.items():
            if key not in fields:
                self.unknown(key, line, path, list(fields))
            else:
                values[fields[key].name] = self.value(value_node, hints[fields[key].name], join(path, key))
        for key, item in fields.items():
            if item.required and key not in keys:
                self.fail(line_of(node), join(path, key), f"missing; write {describe(hints[item.name])}")
        if len(self.mistakes) > before:
            return None
        try:
            return kind(**values)
        except InvalidError as error:
            message = str(error)
            for written, real in (shown for at, shown in self.expanded.items() if at.startswith(f"{path}.")):
                message = message.replace(real, written) if real else message
            self.fail(keys[error.key][1] if error.key in keys else line_of(node), join(path, error.key), message)
            return None

    def value(self, node: yaml.Node, kind: Any, path: str) -> Any:
        """A node as a value of a type; None after a mistake."""
        self._count(node)
        self.lines.setdefault(path, line_of(node))
        tag = foreign_tag(node)
        if tag is not None:
            self.fail(line_of(node), path, f"the tag {shorten(tag)} has no meaning here; leave it out")
            return None
        members = options(kind)
        for option in members:
            plain_option = bare(option)
            origin = typing.get_origin(plain_option)
            if is_null(node) and type(None) in members:
                return None
            if isinstance(plain_option, type) and issubclass(plain_option, Settings) and not isinstance(node, yaml.SequenceNode):
                return self.struct(node, plain_option, path)
            if origin is tuple and isinstance(node, yaml.SequenceNode):
                item = typing.get_args(plain_option)[0]
                return tuple(self.value(child, item, f"{path}[{index}]") for index, child in enumerate(node.value))
            if origin is dict and (isinstance(node, yaml.MappingNode) or is_null(node)):
                return self._dict(node, plain_option, path)
        return self._scalar(node, kind, path)

    def _dict(self, node: yaml.Node, kind: Any, path: str) -> dict[str, Any]:
        key_kind, value_kind = typing.get_args(kind)
        found = {}
        for key, (child, line) in (self.keys(node, path) or {}).items():
            try:
                msgspec.convert(key, key_kind)
            except msgspec.ValidationError:
                self.fail(line, join(path, key), f"not a valid name; write {describe(key_kind)}")
            found[key] = self.value(child, value_kind, join(path, key))
        return found

    def _scalar(self, node: yaml.Node, kind: Any, path: str) -> Any:
        expected, line = describe(kind), line_of(node)
        if not isinstance(node, yaml.ScalarNode):
            given = "a list" if isinstance(node, yaml.SequenceNode) else "a group of keys"
            self.fail(line, path, f"{given} does not fit here; write {expected}")
            return None
        if is_null(node):
            listed = any(typing.get_origin(bare(option)) is tuple for option in options(kind))
            self.fail(line, path, "empty; write [] for none, or leave the key out" if listed else f"empty; write {expected}")
            return None
        try:
            raw = plain(node)
        except ValueError:
            self.fail(line, path, f"cannot be read as what it is marked as; write {expected}")
            return None
        before = len(self.mistakes)
        if isinstance(raw, str):
            raw = self._expand(raw, line, path)
        if len(self.mistakes) > before:
            return None
        try:
            return self._convert(raw, node, kind, path)
        except ValueError as error:
            self.fail(line, path, str(error))
            return None

    def _convert(self, raw: object, node: yaml.ScalarNode, kind: Any, path: str) -> Any:
        """A scalar as a value of a type; a ValueError says what is wrong."""
        expected, members = describe(kind), options(kind)
        shown = "" if is_secret(kind) else repr(shorten(node.value))
        for unit, parse in _PARSERS.items():
            if any(bare(option) is unit for option in members):
                try:
                    return parse(raw if isinstance(raw, str) else node.value)
                except ValueError as error:
                    written = raw if isinstance(raw, str) else node.value
                    raise ValueError(str(error).replace(repr(written), shown)) from None
        if node.value in words_of(kind):
            return node.value
        wants_text = any(issubclass(bare(option), str) for option in members if isinstance(bare(option), type))
        if wants_text and not isinstance(raw, str) and not any(_accepts(option, raw) for option in members):
            quoted = f'in quotes: "{shorten(node.value)}"' if shown else "in quotes"
            message = f"text is expected; write it {quoted} ({expected})"
            raise ValueError(message)
        if path.endswith(("_file", "_dir")) and isinstance(raw, str):
            raw = self._file_name(raw)
        try:
            return msgspec.convert(raw, kind, dec_hook=_secret, strict=wants_text or path not in self.expanded)
        except msgspec.ValidationError:
            raise ValueError(f"{shown} does not fit; accepted: {expected}" if shown else f"accepted: {expected}") from None

    def _file_name(self, name: str) -> str:
        if not name or "\0" in name:
            raise ValueError("empty or no file name; write a file name")
        try:
            return str(self.directory / Path(name).expanduser())
        except RuntimeError:
            raise ValueError("`~` stands for a home that is not known; write the whole path") from None

    def _expand(self, raw: str, line: int, path: str) -> str:
        names = _VARIABLE.findall(raw)
        missing = [name for name in names if name not in self.environ]
        for name in dict.fromkeys(missing):
            self.fail(line, path, f"environment variable {name} is not set; set it, or write the value here")
        if not names or missing:
            return raw
        real = _VARIABLE.sub(lambda match: self.environ[match[1]], raw)
        self.expanded[path] = (raw, real)
        return real


def shorten(text: str) -> str:
    """A text as a message may quote it: of bounded length, without a URL's user and password."""
    text = _USERINFO.sub("<secret>@", text)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def join(path: str, key: str) -> str:
    """The dotted name of a key below another."""
    key = shorten(key) if key.isprintable() else repr(shorten(key))
    return f"{path}.{key}" if path else key


@functools.cache
def _hints(kind: type[Settings]) -> dict[str, Any]:
    """The types of a section's keys; kept, since an inventory holds hundreds of sections of one type."""
    return typing.get_type_hints(kind, include_extras=True)


def _secret(kind: type, value: object) -> object:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise NotImplementedError


def _accepts(option: Any, raw: object) -> bool:
    try:
        msgspec.convert(raw, option, dec_hook=_secret)
    except (msgspec.ValidationError, NotImplementedError):
        return False
    return True


def read_as(
    path: Path,
    kind: type[SettingsT],
    environ: Mapping[str, str] | None = None,
    check: Callable[[SettingsT, Callable[[str, str], None]], None] | None = None,
) -> SettingsT:
    """Read another file of settings (web configuration, inventory) with the same care; `check` judges it as a whole.

    Raises:
        ConfigError: the file cannot be read, or holds mistakes.
    """
    reader = Reader(str(path), os.environ if environ is None else environ, path.absolute().parent)
    found: SettingsT = reader.struct(reader.tree(text_of(path)) or empty(), kind, "")
    reader.finish()
    if check is not None:
        check(found, reader.fail_at)
        reader.finish()
    return found
