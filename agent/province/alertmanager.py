"""Alertmanager's configuration: who is told what, when, and which alert is explained by another.

Severity decides the way, service hours decide the moment: a page reaches the people on call while the site serves
citizens and becomes a ticket when it does not; tickets wait for opening time; information goes to dashboards alone.
"""

from __future__ import annotations

from typing import Any

from agent.hours import Hours, parse_hours
from agent.province.holidays import closed_days
from agent.province.inventory import Contact, Inventory, Webhook
from agent.province.series import HEAD, dump, every_site, hours_name, hours_of
from collectors.site import ServiceHours

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SITE = ["province", "commune", "site"]
_SITE_ALERTS = "SiteDark|SiteSilent"


def _rule(source: str, targets: list[str], equal: list[str]) -> dict[str, Any]:
    return {"source_matchers": source.split(" & "), "target_matchers": targets, "equal": equal}


_COVERED = (
    ("province", ["province"]),
    ("area", ["province", "area"]),
    ("carrier", ["province", "carrier"]),
    ("commune", ["province", "commune"]),
    ("site", _SITE),
    ("link", [*_SITE, "link"]),
)


def inhibitions() -> list[dict[str, Any]]:
    """The parent tree: province, carrier or area, site, gateway, uplink, switch, device; and the lesser of two words for one fact.

    An alert that is held back itself still holds back what it explains.
    """
    line = [*_SITE, "link"]
    site_and_below = 'scope=~"site|link|agent|zone|device|service"'
    return [
        _rule('alertname="ProvinceUnreachable"', ['scope=~"area|carrier|site|link|agent|zone|device|service"'], ["province"]),
        _rule('alertname="CarrierOutage"', [f'alertname=~"UplinkDown|UplinkFlapping|{_SITE_ALERTS}"'], ["province", "carrier"]),
        _rule('alertname="CarrierOutage"', ['alertname="AreaOutage"'], ["province"]),
        _rule('alertname="AreaOutage"', [f'alertname=~"{_SITE_ALERTS}|UplinkDown|Ups.*"'], ["province", "area"]),
        _rule(f'alertname=~"{_SITE_ALERTS}"', [f'alertname!~"{_SITE_ALERTS}"', site_and_below], _SITE),
        _rule('alertname="GatewayDown"', ['alertname=~"Uplink.*"'], line),
        _rule('alertname="GatewayDown"', ['alertname="DeviceDown"', 'kind="router"'], _SITE),
        _rule('alertname="UplinkFlapping"', ['alertname="UplinkDown"'], line),
        _rule('alertname="UplinkDown"', ['alertname=~"Uplink(Loss|Delay|Jitter|Saturated|BelowContract)"'], line),
        _rule('alertname=~"UplinkDown|GatewayDown"', ['alertname=~"Dns.*|PortalUnreachable|ConferenceNotReady"'], _SITE),
        _rule('alertname="DnsDown"', ['alertname=~"DnsServerFailing|PortalUnreachable|ConferenceNotReady"'], _SITE),
        _rule('alertname="PortalDown"', ['alertname=~"PortalUnreachable|CertificateUntrusted"'], ["province", "target"]),
        _rule('alertname="DeviceSubtree"', ['alertname="DeviceDown"'], [*_SITE, "parent"]),
        _rule('alertname="UpsBatteryLow"', ['alertname="UpsOnBattery"'], [*_SITE, "device"]),
        _rule('severity="ticket"', ['severity="info"'], ["alertname", *line]),
        *(
            _rule(f'alertname="Maintenance" & covers="{covers}"', ['alertname!~"Maintenance|Deadman"'], equal)
            for covers, equal in _COVERED
        ),
    ]


def time_interval(name: str, hours: Hours) -> dict[str, Any]:
    """Service hours as an Alertmanager time interval: the week, cut up around dates with hours of their own."""
    zone = str(hours.zone)
    by_spans: dict[tuple[tuple[int, int], ...], list[str]] = {}
    for weekday, spans in enumerate(hours.week):
        if spans:
            by_spans.setdefault(spans, []).append(_WEEKDAYS[weekday])
    intervals = [{"times": _times(spans), "weekdays": days, "location": zone} for spans, days in by_spans.items()]
    return {"name": name, "time_intervals": intervals}


def closed_interval(name: str, hours: Hours) -> dict[str, Any]:
    """The dates on which these offices are closed all day."""
    zone = str(hours.zone)
    return {
        "name": name,
        "time_intervals": [
            {"years": [str(day.year)], "months": [str(day.month)], "days_of_month": [str(day.day)], "location": zone}
            for day, spans in sorted(hours.dates.items())
            if not spans
        ],
    }


def extra_interval(name: str, hours: Hours) -> dict[str, Any]:
    """The dates on which these offices are open outside of their week."""
    zone = str(hours.zone)
    return {
        "name": name,
        "time_intervals": [
            {
                "times": _times(spans),
                "years": [str(day.year)],
                "months": [str(day.month)],
                "days_of_month": [str(day.day)],
                "location": zone,
            }
            for day, spans in sorted(hours.dates.items())
            if spans
        ],
    }


def _times(spans: tuple[tuple[int, int], ...]) -> list[dict[str, str]]:
    return [{"start_time": _clock(begin), "end_time": _clock(end)} for begin, end in spans]


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


_BRIDGE = {
    "http_config": {"basic_auth": {"username": "alertmanager", "password_file": "/etc/alertmanager/secrets/notify.password"}}
}
"""How Alertmanager logs in at the Zalo bridge."""


def _hook(hook: Webhook) -> dict[str, Any]:
    found: dict[str, Any] = {"url": hook.url, "send_resolved": True}
    if hook.token:
        found["http_config"] = {"authorization": {"credentials_file": f"/etc/alertmanager/secrets/webhook-{hook.name}"}}
    return found


def _chat_receiver(name: str, contacts: list[Contact], inventory: Inventory, severity: str) -> dict[str, Any]:
    notify = inventory.notify
    receiver: dict[str, Any] = {"name": name}
    for lang in ("vi", "en"):
        mails = [contact.email for contact in contacts if contact.email is not None and (contact.lang or notify.lang) == lang]
        if notify.email is not None and mails:
            receiver.setdefault("email_configs", []).append(
                {
                    "to": ", ".join(mails),
                    "send_resolved": True,
                    "headers": {"Subject": f'{{{{ template "commune.subject.{lang}" . }}}}'},
                    "html": f'{{{{ template "commune.mail.{lang}" . }}}}',
                }
            )
    hooks = [_hook(hook) for hook in notify.webhooks if severity in hook.severities]
    if notify.zalo is not None and severity == "page":
        hooks += [
            {
                "url": f"{notify.zalo.bridge}/alerts/{contact.zalo}?lang={contact.lang or notify.lang}",
                "send_resolved": True,
                **_BRIDGE,
            }
            for contact in contacts
            if contact.zalo is not None
        ]
    if hooks:
        receiver["webhook_configs"] = hooks
    return receiver


def _patterns(inventory: Inventory) -> dict[str, Hours]:
    found = {}
    for pair in every_site(inventory):
        hours = hours_of(inventory, *pair)
        found[hours_name(hours)] = parse_hours(hours.week, hours.closed, hours.open, hours.timezone)
    return dict(sorted(found.items()))


LINK_WAIT = "35s"
"""A line's own alert waits for its carrier's: the last line that goes is known 20 s after the first, a silent site after 40 s."""


def _pages(matchers: list[str], route: dict[str, Any]) -> list[dict[str, Any]]:
    """The routes of pages: a child's notification waits longer than its parent's takes, so that one cause is told once."""
    return [
        {
            "matchers": ['severity="page"', *scope, *matchers],
            "group_wait": wait,
            "group_interval": "1m",
            "repeat_interval": "4h",
            **route,
        }
        for scope, wait in ((['scope="link"'], LINK_WAIT), (['scope!="link"'], "5s"))
    ]


def _hours_routes(
    patterns: dict[str, Hours], receivers: tuple[str, str], *, always: bool, label: str | None = None
) -> list[dict[str, Any]]:
    """By pattern of hours: to the first receiver while open, to the second (a page that waits) while closed.

    `label` is the value of the alerts' label `hours` when it is not the pattern's name: empty above the sites.
    """
    routes: list[dict[str, Any]] = []
    open_to, closed_to = receivers
    for name, hours in patterns.items():
        match = {"matchers": [f'hours="{name if label is None else label}"']}
        extra = extra_interval("", hours)["time_intervals"]
        closed = closed_interval("", hours)["time_intervals"]
        muted = {"mute_time_intervals": [f"{name}-closed"]} if closed else {}
        routes.append({**match, "receiver": open_to, "active_time_intervals": [name], **muted, "continue": True})
        if extra:
            routes.append({**match, "receiver": open_to, "active_time_intervals": [f"{name}-extra"], "continue": True})
        if always:
            outside = {"mute_time_intervals": [name, *([f"{name}-extra"] if extra else [])]}
            routes.append({**match, "receiver": closed_to, **outside, "continue": bool(closed)})
            if closed:
                routes.append({**match, "receiver": closed_to, "active_time_intervals": [f"{name}-closed"]})
    return routes


def alertmanager_config(inventory: Inventory) -> str:
    """`alertmanager/alertmanager.yml`."""
    notify = inventory.notify
    patterns = _patterns(inventory)
    province = [contact for contact in inventory.contacts if not contact.communes]
    usual = ServiceHours(
        timezone=inventory.service_hours.timezone,
        week=inventory.service_hours.week,
        closed=tuple(sorted({*inventory.service_hours.closed, *closed_days(inventory.holidays)})),
        open=inventory.service_hours.open,
    )
    name = hours_name(usual)
    patterns[name] = parse_hours(usual.week, usual.closed, usual.open, usual.timezone)
    page_routes = [
        {"matchers": ['scope="province"'], "receiver": "page"},
        *_hours_routes(patterns, ("page", "ticket"), always=True),
        *_hours_routes({name: patterns[name]}, ("page", "ticket"), always=True, label=""),
    ]
    ticket_routes = _hours_routes(patterns, ("ticket", "nobody"), always=False)
    local_routes, local_receivers = _local(inventory, patterns)
    routes: list[dict[str, Any]] = []
    watchers: list[dict[str, Any]] = [{"url": notify.deadman}] if notify.deadman is not None else []
    watchers += [{"url": f"{notify.zalo.bridge}/deadman", **_BRIDGE}] if notify.zalo is not None else []
    if watchers:
        routes.append(
            {
                "matchers": ['alertname="Deadman"'],
                "receiver": "deadman",
                "group_wait": "0s",
                "group_interval": "1m",
                "repeat_interval": "1m",
            }
        )
    routes += [
        {"matchers": ['severity=~"none|info"'], "receiver": "nobody"},
        *local_routes,
        *_pages([], {"receiver": "page", "routes": page_routes}),
        {
            "matchers": ['severity="ticket"'],
            "receiver": "ticket",
            "group_wait": "15s",
            "group_interval": "5m",
            "repeat_interval": "24h",
            "routes": ticket_routes,
        },
    ]
    config: dict[str, Any] = {"global": {"resolve_timeout": "5m"}}
    if notify.email is not None:
        config["global"] |= {
            "smtp_smarthost": notify.email.smarthost,
            "smtp_from": notify.email.sender,
            "smtp_require_tls": notify.email.require_tls,
        }
        if notify.email.username is not None:
            config["global"] |= {
                "smtp_auth_username": notify.email.username,
                "smtp_auth_password_file": "/etc/alertmanager/secrets/smtp-password",
            }
    intervals = []
    for name, hours in patterns.items():
        extra, closed = extra_interval(f"{name}-extra", hours), closed_interval(f"{name}-closed", hours)
        intervals += [time_interval(name, hours), *(item for item in (extra, closed) if item["time_intervals"])]
    config |= {
        "templates": ["templates/*.tmpl"],
        "time_intervals": intervals,
        "route": {
            "receiver": "nobody",
            "group_by": ["alertname", *_SITE, "area", "carrier", "target"],
            "routes": routes,
        },
        "inhibit_rules": inhibitions(),
        "receivers": [
            {"name": "nobody"},
            _chat_receiver("page", province, inventory, "page"),
            _chat_receiver("ticket", province, inventory, "ticket"),
            *local_receivers,
            *(
                [{"name": "deadman", "webhook_configs": [{**hook, "send_resolved": False} for hook in watchers]}]
                if watchers
                else []
            ),
        ],
    }
    return HEAD + dump(config)


def _local(inventory: Inventory, patterns: dict[str, Hours]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Contacts of communes hear of their own communes' pages in hours, beside the province."""
    routes, receivers = [], []
    for number, contact in enumerate(inventory.contacts):
        receiver = _chat_receiver(f"contact-{number}", [contact], _without_hooks(inventory), "page")
        if not contact.communes or len(receiver) == 1:
            continue
        receivers.append(receiver)
        hours = _hours_routes(patterns, (receiver["name"], "nobody"), always=False)
        own = f'commune=~"{"|".join(contact.communes)}"'
        routes += _pages([own], {"receiver": "nobody", "continue": True, "routes": hours})
    return routes, receivers


def _without_hooks(inventory: Inventory) -> Inventory:
    from msgspec.structs import replace  # noqa: PLC0415

    return replace(inventory, notify=replace(inventory.notify, webhooks=()))
