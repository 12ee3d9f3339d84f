"""The PromQL that alerts, recording rules and panels share: who is expected, who lives, what is fresh.

Freshness is asked of values, not of presence: Prometheus shows a sample for five minutes after it was taken, and an
agent that was offline delivers old samples later. A heartbeat's value says when it was made; `timestamp()` says when a
sample was taken. Nothing that alerts looks at data that is older than the agent's slowest repetition.
"""

from __future__ import annotations

SITE = "province, commune, site"
INFO = 'commune_site_info{instance=""}'
"""The sites of the inventory, one series each (agents push the same name with their `instance`)."""
JOB = 'job="commune-agent"'
REPEATED = 150
"""Agents repeat a valid value at least every 120 s; what is older than this is not fresh."""
HUB_TARGET = "([0-9]{5})/([^/]+)/(.+)"
"""How the hub's configuration names its targets: commune/site/link."""


def fresh(metric: str, labels: str = "", age: int = REPEATED) -> str:
    """The present values of an agents' metric, without those that are merely remembered."""
    selector = f"{metric}{{{JOB}{', ' + labels if labels else ''}}}"
    return f"({selector} and timestamp({selector}) > time() - {age})"


def alive(age: int, by: str = SITE) -> str:
    """Agents that said within `age` seconds that they live, counted."""
    return f"count by ({by}) (commune_agent_heartbeat_timestamp_seconds{{{JOB}}} > time() - {age})"


AWAKE = "and on () (count_over_time(commune:rules_awake[130s]) >= 10)"
"""The rules have been evaluated for a minute and a half, every 10 s: after a restart of the engine silence says nothing yet.

Three fewer than there may be: vmalert rounds the moment of a rule down to its interval and sends what it records afterwards.
"""

EXPECTED = (
    '(commune_expected_agent{role!="hub", always_on="true"} or (commune_expected_agent{role!="hub"} '
    f"and on ({SITE}) (min_over_time(commune:site_open[20m]) == 1)))"
)
"""Agents that must live now: those that always run, and the others from 20 minutes after opening time on."""

_HUB_PINGS = fresh("commune_ping_up", 'target=~"[0-9]{5}/.+"')
_OUTSIDE = f'label_replace(label_replace({_HUB_PINGS}, "commune", "$1", "target", "{HUB_TARGET}"), "site", "$2", "target", "{HUB_TARGET}")'
OUTSIDE = f"max by ({SITE}) ({_OUTSIDE})"
"""By site: 1 when its router answers the hub by any line, 0 when by none; absent where the hub cannot look."""


def silent(age: int) -> str:
    """Sites of which every agent is silent for `age` seconds; the value is the number of agents that should live."""
    return f"(count by ({SITE}) ({EXPECTED}) unless on ({SITE}) {alive(age)})"


def of_site(expression: str, more: str = "") -> str:
    """Adds the site's name, area and hours to an expression by site (`more`: further labels of the inventory)."""
    labels = ", ".join(["name", "area", "hours", *([more] if more else [])])
    return f"({expression}) * on ({SITE}) group_left ({labels}) {INFO}"


LAST_SEEN = "commune:site_last_seen:timestamp_seconds"
SILENT_SINCE = (
    f"(({LAST_SEEN} < time() - 40) and on ({SITE}) ({EXPECTED}) unless on ({SITE}) {alive(40)})"
    f" * on ({SITE}) group_left (area) {INFO}"
)
"""Sites that are silent, with their area; the value is the moment of the last heartbeat."""

LINK_DOWN = f"(max by ({SITE}, link) ({fresh('commune_link_up')}) == 0)"
LINK_OF = "commune_expected_link"
CARRIER_DOWN = (
    f"count by (province, carrier, commune) (({LINK_OF} and on ({SITE}, link) {LINK_DOWN}) "
    f"or ({LINK_OF} and on ({SITE}, carrier) ({INFO} and on ({SITE}) {silent(40)})))"
)
"""Communes of a carrier with a line that is down, or silent with no line but this carrier's."""

LINK_WAS_DOWN = f"(min by ({SITE}, link) (min_over_time(commune_link_up{{{JOB}}}[6m])) == 0)"
"""Lines that were down within the last minutes, as the agent saw it then: also what a dark site delivers late."""
LATE_WITNESS = "(min_over_time(commune:site_alive[4m]) == 0)"
"""Sites that were silent within the last minutes: what they deliver late says nothing about now."""
