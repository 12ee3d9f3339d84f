"""The engines that can hold a province: what each one's files and containers look like.

All of them take the same pushes at the same address behind one TLS front that lets nothing through but the write path,
and serve the same dashboards; rules differ where an engine refuses a field.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agent.province.inventory import Inventory
from agent.province.series import HEAD, dump, every_site

RULES = "/etc/commune/rules"
_LOGGING = {"driver": "json-file", "options": {"max-size": "10m", "max-file": "5"}}


@dataclass(frozen=True)
class Backend:
    """One engine.

    Attributes:
        holds: the engine's rules may use `keep_firing_for`.
        rules: the folder of the rule files in the tree.
        upstream: where the front hands pushes on to.
        query: the address that Grafana asks, inside the deployment.
        report: how `agent province report` asks it on the server itself, as options.
        reloads: the containers that read their files again on SIGHUP.
        native_users: the engine itself checks users (else the front does).
        services: its containers, by name.
        files: further files of the tree.
    """

    name: str
    holds: bool
    rules: Callable[[Inventory], str]
    upstream: Callable[[Inventory], str]
    query: Callable[[Inventory], str]
    report: Callable[[Inventory], str]
    reloads: tuple[str, ...]
    native_users: bool
    services: Callable[[Inventory], dict[str, Any]]
    files: Callable[[Inventory], dict[str, str]]

    def dialect(self, text: str) -> str:
        """A rule file in the words of this engine."""
        return text if self.holds else re.sub(r"^ *keep_firing_for: .*\n", "", text, flags=re.MULTILINE)


def service(image: str, **more: Any) -> dict[str, Any]:
    """A container that comes back by itself and does not fill the disk with its log."""
    return {"image": image, "restart": "unless-stopped", "logging": _LOGGING, **more}


def local(port: int) -> list[str]:
    """A port of the engine for the server's own programs and nobody else, such as the monthly report."""
    return [f"127.0.0.1:{port}:{port}"]


def _months(inventory: Inventory) -> int:
    return max(1, -(-int(inventory.server.retention) // (31 * 86400)))


def _days(seconds: float) -> str:
    return f"{round(seconds / 86400)}d"


def stack_targets(inventory: Inventory) -> dict[str, str]:
    """The service-discovery files: the deployment's own parts, and agents that are scraped because they cannot push."""
    stack = [
        {"targets": ["alertmanager:9093"], "labels": {"job": "alertmanager"}},
        {"targets": ["grafana:3000"], "labels": {"job": "grafana"}},
    ]
    pulled = [
        {
            "targets": [agent.pull],
            "labels": {
                "job": "commune-agent",
                "instance": agent.instance,
                "province": inventory.province.slug,
                "commune": commune.code,
                "site": site.id,
            },
        }
        for commune, site in every_site(inventory)
        for agent in site.agents
        if agent.pull is not None
    ]
    return {"prometheus/file_sd/stack.yml": HEAD + dump(stack), "prometheus/file_sd/agents.yml": HEAD + dump(pulled)}


def _scrapes(*, itself: bool) -> list[dict[str, Any]]:
    own = {
        "job_name": "prometheus",
        "scheme": "https",
        "tls_config": {"ca_file": "tls/ca.crt", "server_name": "prometheus"},
        "basic_auth": {"username": "prometheus", "password_file": "secrets/prometheus.password"},
        "static_configs": [{"targets": ["localhost:9090"]}],
    }
    return [
        *([own] if itself else []),
        {"job_name": "stack", "file_sd_configs": [{"files": ["file_sd/stack.yml"]}]},
        {"job_name": "commune-agent", "scrape_interval": "20s", "file_sd_configs": [{"files": ["file_sd/agents.yml"]}]},
    ]


def _prometheus_files(inventory: Inventory) -> dict[str, str]:
    config = {
        "global": {
            "scrape_interval": "30s",
            "evaluation_interval": "15s",
            "external_labels": {"province": inventory.province.slug},
        },
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": ["alertmanager:9093"]}]}]},
        "rule_files": ["rules/*.yml"],
        "scrape_configs": _scrapes(itself=True),
        "storage": {"tsdb": {"out_of_order_time_window": _days(inventory.server.out_of_order)}},
    }
    return {"prometheus/prometheus.yml": HEAD + dump(config), **stack_targets(inventory)}


def _prometheus_services(inventory: Inventory) -> dict[str, Any]:
    return {
        "prometheus": service(
            "prom/prometheus:v2.53.4",
            user="0:0",
            command=[
                "--config.file=/etc/prometheus/prometheus.yml",
                "--web.config.file=/etc/prometheus/web.yml",
                "--web.enable-remote-write-receiver",
                "--web.enable-lifecycle",
                "--storage.tsdb.path=/data",
                f"--storage.tsdb.retention.time={_days(inventory.server.retention)}",
                "--query.max-samples=100000000",
            ],
            ports=local(9090),
            volumes=["./prometheus:/etc/prometheus:ro", "prometheus-data:/data"],
        )
    }


def _scraper_files(inventory: Inventory, write: dict[str, Any]) -> dict[str, str]:
    config = {
        "global": {"scrape_interval": "30s", "external_labels": {"province": inventory.province.slug}},
        "scrape_configs": _scrapes(itself=False),
        "remote_write": [write],
    }
    return {"prometheus/prometheus.yml": HEAD + dump(config), **stack_targets(inventory)}


def _scraper() -> dict[str, Any]:
    return {
        "scraper": service(
            "prom/prometheus:v2.53.4",
            user="0:0",
            command=["--config.file=/etc/prometheus/prometheus.yml", "--enable-feature=agent", "--storage.agent.path=/data"],
            volumes=["./prometheus:/etc/prometheus:ro", "scraper-data:/data"],
        )
    }


def _account(inventory: Inventory) -> int:
    """The tenant in a VictoriaMetrics cluster: the province's code as a number."""
    return int(inventory.province.code)


def _vmalert(inventory: Inventory, read: str, write: str) -> dict[str, Any]:
    return {
        "vmalert": service(
            "victoriametrics/vmalert:v1.102.1",
            command=[
                f"-rule={RULES}/*.yml",
                f"-datasource.url={read}",
                f"-remoteRead.url={read}",
                f"-remoteWrite.url={write}",
                "-remoteWrite.flushInterval=1s",
                "-rule.evalDelay=1s",
                "-notifier.url=http://alertmanager:9093",
                "-evaluationInterval=15s",
                f"-external.label=province={inventory.province.slug}",
            ],
            volumes=[f"./rules:{RULES}:ro"],
        )
    }


def _single_services(inventory: Inventory) -> dict[str, Any]:
    url = "http://victoriametrics:8428"
    return {
        "victoriametrics": service(
            "victoriametrics/victoria-metrics:v1.102.1",
            command=[
                "-storageDataPath=/data",
                f"-retentionPeriod={_months(inventory)}",
                "-dedup.minScrapeInterval=1ms",  # what an agent sends again after an answer that got lost
                "-search.latencyOffset=1s",
                "-promscrape.config=/etc/prometheus/prometheus.yml",
                "-promscrape.config.strictParse=false",
            ],
            ports=local(8428),
            volumes=["./prometheus:/etc/prometheus:ro", "victoria-data:/data"],
        ),
        **_vmalert(inventory, url, url),
    }


def _cluster_services(inventory: Inventory) -> dict[str, Any]:
    stores = ["vmstorage-1", "vmstorage-2"]
    account = _account(inventory)
    nodes = {
        store: service(
            "victoriametrics/vmstorage:v1.102.1-cluster",
            command=["-storageDataPath=/data", f"-retentionPeriod={_months(inventory)}", "-dedup.minScrapeInterval=1ms"],
            volumes=[f"{store}-data:/data"],
        )
        for store in stores
    }
    return {
        **nodes,
        "vminsert": service(
            "victoriametrics/vminsert:v1.102.1-cluster",
            command=[*(f"-storageNode={store}:8400" for store in stores), "-replicationFactor=2"],
        ),
        "vmselect": service(
            "victoriametrics/vmselect:v1.102.1-cluster",
            command=[
                *(f"-storageNode={store}:8401" for store in stores),
                "-dedup.minScrapeInterval=1ms",
                "-search.latencyOffset=1s",
            ],
            ports=local(8481),
        ),
        **_scraper(),
        **_vmalert(
            inventory,
            f"http://vmselect:8481/select/{account}/prometheus",
            f"http://vminsert:8480/insert/{account}/prometheus",
        ),
    }


def _mimir_files(inventory: Inventory) -> dict[str, str]:
    config = {
        "target": "all",
        "multitenancy_enabled": True,
        "server": {"http_listen_port": 9009, "log_level": "warn"},
        "common": {"storage": {"backend": "filesystem", "filesystem": {"dir": "/data/common"}}},
        "blocks_storage": {"filesystem": {"dir": "/data/blocks"}, "tsdb": {"dir": "/data/tsdb"}},
        "compactor": {"data_dir": "/data/compactor", "sharding_ring": {"kvstore": {"store": "memberlist"}}},
        "ingester": {"ring": {"replication_factor": 1}},
        "store_gateway": {"sharding_ring": {"replication_factor": 1}},
        "ruler": {"rule_path": "/data/ruler", "alertmanager_url": "http://alertmanager:9093", "poll_interval": "1m"},
        "ruler_storage": {"backend": "local", "local": {"directory": RULES}},
        "limits": {
            "out_of_order_time_window": _days(inventory.server.out_of_order),
            "compactor_blocks_retention_period": _days(inventory.server.retention),
            "ingestion_rate": 200_000,
            "ingestion_burst_size": 2_000_000,
            "max_global_series_per_user": 0,
            "ruler_max_rules_per_rule_group": 0,
            "ruler_max_rule_groups_per_tenant": 0,
            "ruler_evaluation_delay_duration": "0s",
        },
        "usage_stats": {"enabled": False},
    }
    write = {"url": "http://mimir:9009/api/v1/push", "headers": {"X-Scope-OrgID": inventory.province.slug}}
    return {"mimir/mimir.yml": HEAD + dump(config), **_scraper_files(inventory, write)}


def _mimir_services(_inventory: Inventory) -> dict[str, Any]:
    return {
        "mimir": service(
            "grafana/mimir:2.12.0",
            command=["-config.file=/etc/mimir/mimir.yml"],
            ports=local(9009),
            volumes=["./mimir:/etc/mimir:ro", f"./rules:{RULES}:ro", "mimir-data:/data"],
        ),
        **_scraper(),
    }


BACKENDS: dict[str, Backend] = {
    backend.name: backend
    for backend in (
        Backend(
            "prometheus",
            holds=True,
            rules=lambda _: "prometheus/rules",
            upstream=lambda _: "https://prometheus:9090/api/v1/write",
            query=lambda _: "https://prometheus:9090",
            report=lambda _: (
                "--url https://localhost:9090 --user report --password-file secrets/report.password --ca-file secrets/ca.crt"
            ),
            reloads=("prometheus",),
            native_users=True,
            services=_prometheus_services,
            files=_prometheus_files,
        ),
        Backend(
            "victoriametrics",
            holds=False,
            rules=lambda _: "rules",
            upstream=lambda _: "http://victoriametrics:8428/api/v1/write",
            query=lambda _: "http://victoriametrics:8428",
            report=lambda _: "--url http://localhost:8428",
            reloads=("victoriametrics", "vmalert"),
            native_users=False,
            services=_single_services,
            files=lambda inventory: {
                "prometheus/prometheus.yml": HEAD
                + dump({"global": {"scrape_interval": "30s"}, "scrape_configs": _scrapes(itself=False)}),
                **stack_targets(inventory),
            },
        ),
        Backend(
            "victoriametrics-cluster",
            holds=False,
            rules=lambda _: "rules",
            upstream=lambda inventory: f"http://vminsert:8480/insert/{_account(inventory)}/prometheus/api/v1/write",
            query=lambda inventory: f"http://vmselect:8481/select/{_account(inventory)}/prometheus",
            report=lambda inventory: f"--url http://localhost:8481/select/{_account(inventory)}/prometheus",
            reloads=("scraper", "vmalert"),
            native_users=False,
            services=_cluster_services,
            files=lambda inventory: _scraper_files(
                inventory, {"url": f"http://vminsert:8480/insert/{_account(inventory)}/prometheus/api/v1/write"}
            ),
        ),
        Backend(
            "mimir",
            holds=True,
            rules=lambda inventory: f"rules/{inventory.province.slug}",
            upstream=lambda _: "http://mimir:9009/api/v1/push",
            query=lambda _: "http://mimir:9009/prometheus",
            report=lambda inventory: f"--url http://localhost:9009/prometheus --tenant {inventory.province.slug}",
            reloads=("scraper",),
            native_users=False,
            services=_mimir_services,
            files=_mimir_files,
        ),
    )
}
