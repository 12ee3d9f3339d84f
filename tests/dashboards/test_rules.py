"""The alert rules: generated files up to date, known metrics, and for every alert a story in which it fires and one in which not."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from agent import catalog
from dashboards.build import __main__ as build
from dashboards.build import stories_outage, stories_quality
from dashboards.build.recording import GROUPS
from dashboards.build.rules import ALERT_GROUPS, ALERTS

ROOT = Path(__file__).parents[2]
RULES = ROOT / "dashboards/rules"
STORIES = [
    *stories_outage.STORIES,
    *stories_outage.PORTALS,
    *stories_outage.POWER,
    *stories_quality.STORIES,
    *stories_quality.UPKEEP,
    *stories_quality.SCORES,
]
RENDERED = {
    "commune_site_info",
    "commune_site_latitude_degrees",
    "commune_site_longitude_degrees",
    "commune_expected_agent",
    "commune_expected_link",
    "commune_expected_device",
    "commune_carrier_info",
    "commune_contact_info",
}
ALWAYS = {"Deadman"}


def known_names() -> set[str]:
    names = set(RENDERED)
    for metric in catalog.metrics():
        names.add(metric.name)
        if metric.buckets:
            names |= {f"{metric.name}_{part}" for part in ("bucket", "sum", "count")}
    return names


def test_generated_files_are_up_to_date() -> None:
    stale = [path for path, text in build.generated().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    assert not stale, "run `python -m dashboards.build`"
    present = {*RULES.glob("*.yml"), *RULES.glob("tests/*.yml"), *(ROOT / "dashboards/grafana").glob("*.json")}
    assert present == set(build.generated())


def test_rules_ask_for_declared_metrics_only() -> None:
    known = known_names() | {record.name for group in GROUPS for record in group.records}
    known.add("commune:site_open")
    for alert in ALERTS:
        for name in re.findall(r"\b(?:commune|province)[:_][a-z0-9_:]+", alert.expression):
            assert name in known, f"{alert.name}: {name}"
    for group in GROUPS:
        for record in group.records:
            for name in re.findall(r"\b(?:commune|province)[:_][a-z0-9_:]+", record.expression):
                assert name in known, f"{record.name}: {name}"


def test_every_alert_has_a_story_in_which_it_fires_and_one_in_which_not() -> None:
    fires = {alert for story in STORIES for _, alert, count in story.fires if count}
    stays = {alert for story in STORIES for _, alert, count in story.fires if not count}
    quiet = {alert for story in STORIES for alert in {name for _, name, _ in story.fires} if "near miss" in story.name}
    for name in {alert.name for alert in ALERTS}:
        assert name in fires, name
        assert name in stays | ALWAYS, name
        assert name in quiet | ALWAYS | {"ProvinceUnreachable"} | stays, name


@pytest.mark.parametrize("name", ["outages", "portals", "quality", "upkeep", "score"])
def test_stories_hold_in_promtool(name: str) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed; `make packages` installs it")
    done = subprocess.run(
        ["promtool", "test", "rules", str(RULES / f"tests/{name}_test.yml")],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_accepts_the_rules() -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed; `make packages` installs it")
    done = subprocess.run(
        ["promtool", "check", "rules", "--lint=all", "--lint-fatal", *map(str, RULES.glob("*.yml"))],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    # Lint's only rule is about the same rule twice: an alert of two severities is two rules of different labels.
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_says_what_and_what_next_in_both_languages() -> None:
    for alert in ALERTS:
        for language in (alert.vi, alert.en):
            assert len(language) == 2
            assert all(len(text) > 10 for text in language), alert.name
        assert re.search("[ăâđêôơưáàảãạéèíìóòúùýấầậắặếềệốồộớờợứừự]", alert.vi[0]), alert.name
        annotations = alert.rule()["annotations"]
        assert isinstance(annotations, dict)
        assert annotations["runbook_url"].endswith(f"/{alert.name}.md")
        assert "__GRAFANA__/d/commune-" in annotations["dashboard_url"]


def test_a_childs_wait_is_longer_than_its_parents() -> None:
    wait = {alert.name: alert.wait for group in ALERT_GROUPS for alert in group.alerts}
    for parent, child in [
        ("ProvinceUnreachable", "SiteDark"),
        ("CarrierOutage", "UplinkDown"),
        ("AreaOutage", "SiteDark"),
        ("AreaOutage", "SiteSilent"),
        ("SiteDark", "AgentSilent"),
        ("SiteDark", "DeviceDown"),
        ("GatewayDown", "UplinkDown"),
        ("GatewayDown", "DeviceDown"),
        ("UplinkDown", "UplinkLoss"),
        ("DnsDown", "DnsServerFailing"),
        ("DnsDown", "PortalUnreachable"),
        ("PortalDown", "PortalUnreachable"),
        ("DeviceSubtree", "DeviceDown"),
        ("UpsBatteryLow", "UpsOnBattery"),
    ]:
        assert wait[parent] < wait[child], (parent, child)


def test_pages_are_outages_and_dead_zones_and_nothing_else() -> None:
    assert {alert.name for alert in ALERTS if alert.severity == "page"} == {
        "ProvinceUnreachable",
        "CarrierOutage",
        "AreaOutage",
        "SiteDark",
        "SiteSilent",
        "GatewayDown",
        "UplinkDown",
        "PortalDown",
        "DnsDown",
        "WifiDeadZone",
    }


def test_every_alert_has_its_runbook_in_both_languages() -> None:
    pages = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "docs/runbooks").glob("*.md")}
    names = {alert.name for alert in ALERTS}
    assert set(pages) - {"README"} == names
    for name in names:
        assert pages[name].startswith(f"# {name}\n"), name
        assert "## Tiếng Việt" in pages[name], name
        assert "## English" in pages[name], name
        assert len(pages[name]) > 800, f"{name}: a page that says too little"
        assert (ROOT / f"dashboards/runbooks/{name}.md").read_text(encoding="utf-8") == pages[name]
