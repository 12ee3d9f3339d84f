"""Recognising a device: which profile it matches, and what it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from collectors.probe.snmp import Conversation
from collectors.probe.snmp_client import Value as Raw
from collectors.snmp.convert import accepts, compiled, number, text
from collectors.snmp.library import Library, enterprises
from collectors.snmp.profile import Fact, Profile

SYS_DESCR = "1.3.6.1.2.1.1.1.0"
SYS_OBJECT_ID = "1.3.6.1.2.1.1.2.0"
SYS_UP_TIME = "1.3.6.1.2.1.1.3.0"
SYS_NAME = "1.3.6.1.2.1.1.5.0"
ENGINE_TIME = "1.3.6.1.6.3.10.2.1.3.0"
HR_UP_TIME = "1.3.6.1.2.1.25.1.1.0"
IF_NUMBER = "1.3.6.1.2.1.2.1.0"
IF_LAST_CHANGE = "1.3.6.1.2.1.31.1.5.0"
ENTITY_LAST_CHANGE = "1.3.6.1.2.1.47.1.4.1.0"
SYSTEM = (
    SYS_DESCR,
    SYS_OBJECT_ID,
    SYS_UP_TIME,
    SYS_NAME,
    ENGINE_TIME,
    HR_UP_TIME,
    IF_NUMBER,
    IF_LAST_CHANGE,
    ENTITY_LAST_CHANGE,
)
_FACT_ROWS = 64
_ENTERPRISE = re.compile(r"^1\.3\.6\.1\.4\.1\.(\d+)")
GENERIC = "generic"


@dataclass(frozen=True, slots=True)
class Identity:
    """What a device is, as far as it says; unknown is empty."""

    profile: str = GENERIC
    vendor: str = ""
    model: str = ""
    version: str = ""
    serial: str = ""
    sysname: str = ""


async def system(talk: Conversation) -> dict[str, Raw]:
    """The objects that every poll begins with.

    Version 1 answers nothing when one is missing; `Conversation.get` then finds those that are there.

    Raises:
        SnmpError: the device does not answer.
    """
    if talk.peer.credentials.version != 1:
        return await talk.get(SYSTEM, unsure=True)
    found: dict[str, Raw] = {}
    for oid in SYSTEM:
        found |= await talk.get([oid])
    return found


async def choose(talk: Conversation, library: Library, about: Mapping[str, Raw]) -> str:
    """The profile of a device: the most specific that matches, else the generic one."""
    object_id = text(about.get(SYS_OBJECT_ID)).lstrip(".")
    asked: dict[str, bool] = {}
    for name, match in library.candidates(object_id, text(about.get(SYS_DESCR))):
        if match.present is None:
            return name
        if match.present not in asked:
            asked[match.present] = await talk.exists(match.present)
        if asked[match.present]:
            return name
    return GENERIC


async def identify(talk: Conversation, name: str, profile: Profile, about: Mapping[str, Raw]) -> Identity:
    """Read what the device is, by the rules of its profile."""
    facts = (*profile.vendor, *profile.model, *profile.version, *profile.serial)
    known = dict(about)
    single = list(dict.fromkeys(fact.oid for fact in facts if fact.oid is not None and fact.where is None))
    if talk.peer.credentials.version == 1:
        for oid in single:
            known |= await talk.get([oid])
    elif single:
        known |= await talk.get(single, unsure=True)
    columns: dict[str, dict[str, Raw]] = {}

    async def first(of: tuple[Fact, ...]) -> str:
        for fact in of:
            found = await _fact(talk, fact, known, columns)
            if found:
                return found
        return ""

    vendor = await first(profile.vendor)
    if not vendor:
        match = _ENTERPRISE.match(text(about.get(SYS_OBJECT_ID)).lstrip("."))
        vendor = enterprises().get(match[1], "") if match else ""
    return Identity(
        name,
        vendor,
        await first(profile.model),
        await first(profile.version),
        await first(profile.serial),
        text(about.get(SYS_NAME)),
    )


async def _fact(talk: Conversation, fact: Fact, known: Mapping[str, Raw], columns: dict[str, dict[str, Raw]]) -> str:
    if fact.oid is None and fact.pattern is None:
        return fact.text or ""
    if fact.where is not None and fact.oid is not None:
        words = await _from_table(talk, fact, columns)
    else:
        words = text(known.get(fact.oid or SYS_DESCR))
    if not words:
        return ""
    if fact.pattern is None:
        return fact.text or words
    found = compiled(fact.pattern).search(words)
    if found is None:
        return ""
    group = found[1] if found.re.groups else found[0]
    if fact.text is None:
        return " ".join((group or "").split())
    return re.sub(r"\{(\d)\}", lambda place: found[int(place[1])] or "", fact.text).strip()


async def _from_table(talk: Conversation, fact: Fact, columns: dict[str, dict[str, Raw]]) -> str:
    """The first row of a table that has the wanted kind and a text."""
    assert fact.where is not None  # noqa: S101  asked by the caller
    assert fact.oid is not None  # noqa: S101
    if fact.where not in columns:
        columns[fact.where] = await talk.column(fact.where, limit=_FACT_ROWS)
    rows = [index for index, kind in columns[fact.where].items() if accepts(fact.equals, kind)][:8]
    if not rows:
        return ""
    answers = await talk.get([f"{fact.oid}.{index}" for index in rows], unsure=True)
    return next((words for index in rows if (words := text(answers.get(f"{fact.oid}.{index}")))), "")


def uptime(about: Mapping[str, Raw]) -> float | None:
    """Seconds since the device started: sysUpTime counts from the start of its SNMP agent and wraps after 497 days."""
    clocks = [
        ticks * factor
        for oid, factor in ((SYS_UP_TIME, 0.01), (HR_UP_TIME, 0.01), (ENGINE_TIME, 1.0))
        if (ticks := number(about.get(oid))) is not None
    ]
    return max(clocks, default=None)
