"""The texts for people, in English and Vietnamese.

The English text is the key; `<language>/LC_MESSAGES/agent.po` holds the translation, in the format of GNU gettext, so that
translators use the tools they know. The file is read as it is: no build step, nothing compiled to keep in step.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

LANGUAGES = ("en", "vi")
Translate = Callable[[str], str]


def N_(text: str) -> str:  # noqa: N802  gettext's name for a text that is translated later
    """Mark a text for translators."""
    return text


def choose(option: str | None, environ: Mapping[str, str]) -> str:
    """The language: the option, else what the environment says (LC_ALL, LC_MESSAGES, LANG), else English.

    `C.UTF-8`, which containers set everywhere, chooses an encoding and no language.
    """
    if option:
        return option
    said = (environ.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    named = next((text for text in said if text and not text.startswith("C.")), "")
    return "vi" if named.startswith("vi") else "en"


def translator(language: str) -> Translate:
    """The function from an English text to that language; a text without a translation stays English."""
    catalogue = _catalogue(language)
    return lambda text: catalogue.get(text) or text


def sentences(language: str) -> Translate:
    """The function from a mistake of a configuration, with its values in it, to that language.

    Mistakes are put together where they are found. A message of `mistakes.po` stands for every sentence of its form; what
    a field such as `{value}` holds is kept, and `{accepted}` and `{reason}` are translated in their turn. The place before
    the sentence (`file:line: key: `) is kept.
    """
    forms = _forms(language)

    def part(text: str, *, within: bool = True) -> str | None:
        for form, translation in forms:
            found = form.fullmatch(text)
            if found and (within or not form.pattern.startswith("(?P<accepted")):
                fields = found.groupdict().items()
                said = {
                    name: (part(value) or value) if name.startswith(("accepted", "reason")) else value for name, value in fields
                }
                return translation.format(**said)
        return None

    def whole(text: str) -> str:
        for cut in (0, *(place.end() for place in re.finditer(": ", text))):
            said = part(text[cut:], within=False)
            if said is not None:
                return text[:cut] + said
        return text

    return whole


@cache
def _forms(language: str) -> list[tuple[re.Pattern[str], str]]:
    """The most telling forms first: those with the most letters of their own."""

    def form(message: str) -> re.Pattern[str]:
        parts = re.split(r"\{(\w+)\}", message)
        fields = [
            f"(?P<{part}>(?:(?!: ).)+?)" if index == 1 and not parts[0] else f"(?P<{part}>.+?)"
            for index, part in enumerate(parts)
        ]
        return re.compile("".join(fields[index] if index % 2 else re.escape(part) for index, part in enumerate(parts)))

    ordered = sorted(_catalogue(language, "mistakes").items(), key=lambda item: -len(re.sub(r"\{\w+\}", "", item[0])))
    return [(form(message), translation) for message, translation in ordered]


@cache
def _catalogue(language: str, name: str = "agent") -> Mapping[str, str]:
    file = Path(__file__).parent / language / "LC_MESSAGES" / f"{name}.po"
    return dict(read_po(file.read_text(encoding="utf-8"))) if language in LANGUAGES and file.exists() else {}


def read_po(text: str) -> list[tuple[str, str]]:
    """Message and translation of each entry; the header, fuzzy and untranslated entries are left out.

    Raises:
        ValueError: a line is neither comment, keyword nor quoted text.
    """
    entries: list[dict[str, str]] = []
    key, is_fuzzy = "", False
    for number, line in enumerate(map(str.strip, text.splitlines()), start=1):
        word, _, rest = line.partition(" ")
        if word.startswith("#") or not word:
            is_fuzzy = is_fuzzy or (word == "#," and "fuzzy" in rest)
            continue
        if word == "msgid":
            entries.append({"fuzzy": "yes"} if is_fuzzy else {})
            is_fuzzy = False
        key, quoted = (word, rest.strip()) if word in {"msgid", "msgstr"} else (key, line)
        if not (entries and key and len(quoted) >= 2 and quoted[0] == quoted[-1] == '"'):
            message = f"line {number}: {line!r} is no entry of a catalogue"
            raise ValueError(message)
        entries[-1][key] = entries[-1].get(key, "") + str(ast.literal_eval(quoted))
    return [
        (entry["msgid"], entry["msgstr"])
        for entry in entries
        if entry.get("msgid") and entry.get("msgstr") and "fuzzy" not in entry
    ]
