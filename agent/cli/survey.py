"""`agent survey`: record named spots, import what others saved, report coverage with a heat map."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import click

from agent import statedir
from agent.cli.run import load_settings
from agent.locale import LANGUAGES, Translate, choose, translator
from agent.settings import AgentSettings
from agent.survey import capture, importer, listing, pictures, report, store
from agent.survey.air import evil_twins
from agent.survey.plan import Plan
from agent.survey.record import record
from agent.survey.trouble import SurveyError
from collectors.machine import Machine
from collectors.probe.wifi_known import known_ssids
from collectors.wire.ieee80211 import Bss
from collectors.wire.survey_file import UNHEARD, Visit, summarize

CANNOT, INTERRUPTED = 2, 130


_CONFIG = click.option(
    "-c", "--config", "path", type=click.Path(path_type=Path), help="Configuration file (names of the networks, thresholds)."
)
_SSID = click.option(
    "--ssid",
    "ssids",
    multiple=True,
    help="A network of the site; repeat for several. Default: `wifi.ssids`, else what this computer knows.",
)
_FILE = click.option(
    "--file", "file", type=click.Path(path_type=Path), help="Survey file to append to; default: one a day in the state directory."
)
_ZONE = click.option("--zone", help="Name of the place, such as 'Waiting room'.")
_X = click.option("--x", "x", type=float, help="Position from the left edge of the floor plan.")
_Y = click.option("--y", "y", type=float, help="Position from the upper edge of the floor plan.")
_LANG = click.option("--lang", type=click.Choice(LANGUAGES), help="Language; default: by $LANG.")


def _fail(message: str) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(CANNOT)


def _place(x: float | None, y: float | None, _: Translate) -> None:
    if (x is None) != (y is None):
        _fail(_("--x and --y belong together: both from the upper left corner of the floor plan"))


def _limits(settings: AgentSettings) -> report.Limits:
    return report.Limits(dead=settings.kinds["wifi"].dead_zone_dbm)


def _default_file(settings: AgentSettings, machine: Machine) -> Path:
    folder = statedir.wanted(settings, machine)
    name = datetime.now(UTC).astimezone().strftime("%Y-%m-%d.jsonl")
    return (folder / "surveys" if folder else Path.cwd()) / name


class _Interruptible(click.Group):
    """Ctrl-C ends it as shells expect: click's own 1 would say that there are dead zones."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)


@click.group(cls=_Interruptible, invoke_without_command=True)
@_ZONE
@_X
@_Y
@_FILE
@_SSID
@_CONFIG
@click.option("--scans", type=click.IntRange(1, 50), default=5, show_default=True, help="Scans at the spot; their median counts.")
@click.option("--interface", default="auto", show_default=True, help="Wi-Fi interface.")
@click.option("--pcap", type=click.Path(path_type=Path), help="Read a capture with radiotap instead of scanning.")
@click.option("--monitor", help="Listen on an interface in monitor mode instead of scanning (root).")
@click.option(
    "--seconds", type=click.FloatRange(1, 3600), default=30.0, show_default=True, help="How long to listen with --monitor."
)
@click.option("--trusted", multiple=True, help="Address of an access point of the site; others with its name are reported.")
@_LANG
@click.pass_context
def command(
    ctx: click.Context,
    *,
    zone: str | None,
    x: float | None,
    y: float | None,
    file: Path | None,
    ssids: tuple[str, ...],
    path: Path | None,
    scans: int,
    interface: str,
    pcap: Path | None,
    monitor: str | None,
    seconds: float,
    trusted: tuple[str, ...],
    lang: str | None,
) -> None:
    """Record the Wi-Fi coverage of a named spot, or read it from the air.

    Exit status: 0, 1 when the spot has no usable signal (or the air shows an attack), 2 when nothing could be measured.
    """
    if ctx.invoked_subcommand is not None:
        return
    settings, machine = load_settings(path), Machine()
    _ = translator(choose(lang, machine.environ))
    if pcap is None and monitor is None and zone is None:
        _fail(_("name the place: agent survey --zone NAME (or --pcap FILE, --monitor INTERFACE; see --help)"))
    _place(x, y, _)
    own = _named(settings, ssids) or known_ssids(machine)
    suspicious = False
    if pcap is not None or monitor is not None:
        found = _listen(pcap, monitor, seconds, _)
        twins = evil_twins(found.senders, own, trusted)
        click.echo(listing.air(found, own, twins, _))
        suspicious = bool(twins or found.floods)
        false = {sender.bssid for sender, _expected in twins}
        # A false access point covers no zone of the site: it counts among the neighbours.
        networks: list[list[Bss]] = [[replace(bss, ssid="") if bss.bssid in false else bss for bss in found.networks]]
        source = found.source
    else:
        own, networks = _scan(machine, own, scans, interface, _)
        source = "scan"
    if zone is None:
        sys.exit(1 if suspicious else 0)
    heard, channels = summarize(networks, own)
    visit = Visit(time.time(), zone, own, heard, channels, x, y, len(networks), source)
    _save(file or _default_file(settings, machine), [visit], _)
    judged = report.judge([visit], _limits(settings))
    click.echo(report.as_text(judged, [], _), nl=False)
    sys.exit(1 if judged.dead or suspicious else 0)


def _save(target: Path, visits: Sequence[Visit], _: Translate) -> None:
    try:
        for visit in visits:
            store.append(target, visit)
    except OSError as error:
        text = _("{file}: cannot be written: {why}; name another file with --file")
        _fail(text.format(file=target, why=_(error.strerror or str(error))))
    click.echo(f"{target}: +{len(visits)}", err=True)


def _scan(
    machine: Machine, own: tuple[str, ...], scans: int, interface: str, _: Translate
) -> tuple[tuple[str, ...], list[list[Bss]]]:
    def progress(number: int, heard: list[Bss]) -> None:
        if sys.stderr.isatty():
            mine = [bss.signal_dbm for bss in heard if bss.ssid in own]
            best = max((signal for signal in mine if signal is not None), default=None if mine else UNHEARD)
            click.echo(f"\r{number}/{scans}  {report.dbm(best, _)}    ", err=True, nl=number == scans)

    try:
        station, found, started = asyncio.run(record(machine, scans, progress, interface))
    except SurveyError as error:
        _fail(error.told(_))
    own = own or ((station.ssid,) if station.ssid else ())
    if not own:
        _fail(_("which networks are the site's? Name them with --ssid NAME, or in the configuration under wifi.ssids"))
    if not started:
        click.echo(
            _("Only the system's own scan results could be read; run as root (CAP_NET_ADMIN) for scans of this moment."), err=True
        )
    return own, found


def _listen(pcap: Path | None, monitor: str | None, seconds: float, _: Translate) -> importer.Imported:
    try:
        if pcap is not None:
            return importer.of_capture("pcap", capture.read(str(pcap)))
        return importer.of_capture("monitor", capture.read("--monitor", str(monitor), str(seconds), within=seconds + 60))
    except SurveyError as error:
        _fail(error.told(_))


@command.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@_ZONE
@_X
@_Y
@_FILE
@_SSID
@_CONFIG
@_LANG
def import_command(
    *,
    files: tuple[Path, ...],
    zone: str | None,
    x: float | None,
    y: float | None,
    file: Path | None,
    ssids: tuple[str, ...],
    path: Path | None,
    lang: str | None,
) -> None:
    """Take FILES that were saved on computers without the agent into a survey.

    Understood: `iw dev wlan0 scan`, `netsh wlan show networks mode=bssid` and `netsh wlan show interfaces` in any language,
    and captures with radiotap. With --zone all files belong to that place; without, each file's
    name is its own.
    """
    settings, machine = load_settings(path), Machine()
    _ = translator(choose(lang, machine.environ))
    _place(x, y, _)
    visits = [
        _imported(group, zone or group[0].stem, _named(settings, ssids), (x, y), _)
        for group in ([files] if zone else [(one,) for one in files])
    ]
    _save(file or _default_file(settings, machine), visits, _)
    judged = report.judge(visits, _limits(settings))
    sys.exit(1 if judged.dead else 0)


def _named(settings: AgentSettings, given: Sequence[str]) -> tuple[str, ...]:
    return tuple(given) or tuple(settings.kinds["wifi"].ssids)


def _imported(
    files: Sequence[Path], zone: str, own: tuple[str, ...], place: tuple[float | None, float | None], _: Translate
) -> Visit:
    """Files of one spot as one visit; their networks that a computer was joined to are the site's, when none is named."""
    loaded, taken = [], 0.0
    for one in files:
        try:
            loaded.append(importer.load(one, own))
            taken = max(taken, one.stat().st_mtime)
        except SurveyError as error:
            _fail(error.told(_))
    networks = [found.networks for found in loaded]
    own = own or tuple(sorted({bss.ssid for heard in networks for bss in heard if bss.associated and bss.ssid}))
    for heard in networks:
        click.echo(listing.networks(heard, own, _))
    if not own:
        click.echo(_("No network is known to be the site's: only counts are kept. Name it with --ssid NAME."), err=True)
    summary = summarize(networks, own)
    return Visit(taken, zone, own, *summary, *place, len(networks), loaded[0].source)


@command.command("report")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--plan",
    type=click.Path(path_type=Path),
    help="Floor plan (PNG or JPEG); positions are its pixels unless --plan-width is given.",
)
@click.option(
    "--plan-width", type=click.FloatRange(min=0, min_open=True), help="Width of the plan in metres, when positions are in metres."
)
@click.option("--before", multiple=True, type=click.Path(path_type=Path), help="Survey from before a change, to compare with.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for heatmap*.png and report.html, which are replaced there. Default, if there is a plan or spots have"
    " positions: the current folder, or a new one beside a report that is there already.",
)
@_CONFIG
@_LANG
def report_command(
    *,
    files: tuple[Path, ...],
    plan: Path | None,
    plan_width: float | None,
    before: tuple[Path, ...],
    out: Path | None,
    path: Path | None,
    lang: str | None,
) -> None:
    """Report the coverage of the survey FILES, merged: the last visit of each spot counts.

    Exit status: 0, 1 when there are dead zones, 2 when nothing could be reported.
    """
    settings = load_settings(path)
    language = choose(lang, os.environ)
    _ = translator(language)
    limits = _limits(settings)
    try:
        survey = report.judge(store.load(files), limits)
        earlier = report.judge(store.load(before), limits) if before else None
    except SurveyError as error:
        _fail(error.told(_))
    if not survey.visits:
        text = _("{files}: no visit in it; record one with agent survey --zone NAME")
        _fail(text.format(files=", ".join(map(str, files))))
    changes = report.compare(earlier, survey) if earlier else []
    click.echo(report.as_text(survey, changes, _), nl=False)
    if out is None and plan is None and not any(visit.x is not None for visit in survey.visits):
        sys.exit(1 if survey.dead else 0)
    try:
        written = pictures.write(
            survey,
            earlier,
            changes,
            plan=Plan.of(plan, plan_width) if plan else None,
            out=out or pictures.free_folder(survey),
            language=language,
            site=settings.core.site.name,
        )
    except SurveyError as error:
        _fail(error.told(_))
    except OSError as error:
        text = _("{file}: cannot be written: {why}; name another folder with --out")
        _fail(text.format(file=error.filename, why=_(error.strerror or str(error))))
    click.echo(err=True)
    for file, is_replaced in written:
        click.echo((_("Replaced: {file}") if is_replaced else _("Written: {file}")).format(file=file), err=True)
    sys.exit(1 if survey.dead else 0)
