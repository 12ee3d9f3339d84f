"""What surrounds the engine: the TLS front, Grafana, the Zalo bridge, and the containers that run it all."""

from __future__ import annotations

from string import Template
from typing import Any
from urllib.parse import urlsplit

from agent import __version__
from agent.province.backends import Backend, service
from agent.province.inventory import Inventory, hub_user
from agent.province.series import HEAD, dump


def certificate_names(inventory: Inventory) -> tuple[str, ...]:
    """The names of the server's certificate: as agents, browsers and its own programs call it."""
    grafana = urlsplit(inventory.server.grafana)
    shown = (grafana.hostname,) if grafana.scheme == "https" and grafana.hostname else ()
    return tuple(dict.fromkeys((*inventory.server.names, *shown, "prometheus", "localhost")))


def _tls_server(port: int) -> list[str]:
    return [
        "server {",
        f"    listen {port} ssl;",
        "    ssl_certificate /etc/nginx/tls/server.crt;",
        "    ssl_certificate_key /etc/nginx/tls/server.key;",
        "    ssl_protocols TLSv1.2 TLSv1.3;",
    ]


def front_config(inventory: Inventory, backend: Backend) -> str:
    """Nginx before the engine: TLS 1.2 and later, the write path alone, the runbooks, and Grafana where it is to have TLS."""
    upstream = backend.upstream(inventory)
    lines = [
        HEAD.rstrip(),
        *_tls_server(9443),
        "    client_max_body_size 32m;",
        "    access_log off;",
        "    location = /api/v1/write {",
    ]
    if backend.native_users:
        lines += ["        proxy_ssl_trusted_certificate /etc/nginx/tls/ca.crt;", "        proxy_ssl_verify on;"]
        lines += ["        proxy_ssl_name prometheus;", "        proxy_ssl_session_reuse on;"]
    else:
        lines += ['        auth_basic "commune-agent";', "        auth_basic_user_file /etc/nginx/tls/users;"]
        lines += [
            '        proxy_set_header Authorization "";',
            f"        proxy_set_header X-Scope-OrgID {inventory.province.slug};",
        ]
    lines += [
        f"        proxy_pass {upstream};",
        "        proxy_http_version 1.1;",
        '        proxy_set_header Connection "";',
        "    }",
        "    location = /-/healthy { return 200 'ok'; }",
        "    location /runbooks/ { root /usr/share/commune; default_type 'text/plain; charset=utf-8'; }",
        "    location / { return 404; }",
        "}",
    ]
    if _grafana_port(inventory) is not None:
        lines += [
            *_tls_server(443),
            "    location / {",
            "        proxy_pass http://grafana:3000;",
            "        proxy_http_version 1.1;",
            "        proxy_set_header Host $http_host;",
            "        proxy_set_header Upgrade $http_upgrade;",
            '        proxy_set_header Connection "upgrade";',
            "    }",
            "}",
        ]
    return "\n".join(lines) + "\n"


def _grafana_port(inventory: Inventory) -> int | None:
    """Where the front serves Grafana by TLS; None when it is asked for without."""
    grafana = urlsplit(inventory.server.grafana)
    return (grafana.port or 443) if grafana.scheme == "https" else None


def grafana_files(inventory: Inventory, backend: Backend) -> dict[str, str]:
    """Provisioning: the engine and Alertmanager (its alerts and silences) as data sources, and the folder of dashboards."""
    source: dict[str, Any] = {
        "name": "commune",
        "uid": "commune",
        "type": "prometheus",
        "access": "proxy",
        "url": backend.query(inventory),
        "isDefault": True,
        "jsonData": {"timeInterval": "60s", "httpMethod": "POST"},
    }
    if backend.native_users:
        source |= {
            "basicAuth": True,
            "basicAuthUser": "grafana",
            "secureJsonData": {
                "basicAuthPassword": "$__file{/etc/grafana/secrets/grafana.password}",
                "tlsCACert": "$__file{/etc/grafana/secrets/ca.crt}",
            },
        }
        source["jsonData"] |= {"tlsAuthWithCACert": True, "serverName": "prometheus"}
    elif backend.name == "mimir":
        source["jsonData"] |= {"httpHeaderName1": "X-Scope-OrgID"}
        source["secureJsonData"] = {"httpHeaderValue1": inventory.province.slug}
    told: dict[str, Any] = {
        "name": "alertmanager",
        "uid": "alertmanager",
        "type": "alertmanager",
        "access": "proxy",
        "url": "http://alertmanager:9093",
        "jsonData": {"implementation": "prometheus"},
    }
    provider = {
        "apiVersion": 1,
        "providers": [
            {
                "name": "commune",
                "folder": inventory.province.name,
                "type": "file",
                "allowUiUpdates": False,
                "options": {"path": "/var/lib/grafana/dashboards"},
            }
        ],
    }
    return {
        "grafana/provisioning/datasources/commune.yml": HEAD + dump({"apiVersion": 1, "datasources": [source, told]}),
        "grafana/provisioning/dashboards/commune.yml": HEAD + dump(provider),
    }


def notify_config(inventory: Inventory) -> str:
    """The configuration of `agent province notify`."""
    if inventory.notify.zalo is None:
        message = "notify.zalo is not configured"
        raise ValueError(message)
    chats = [contact for contact in inventory.contacts if contact.zalo is not None and not contact.communes]
    config = {
        "listen": "0.0.0.0:9796",
        "api": inventory.notify.zalo.api,
        "token_file": "/etc/commune-notify/zalo-token",
        "password_file": "/etc/commune-notify/password",
        "timezone": inventory.service_hours.timezone,
        "state_file": "/data/incidents.json",
        "deadman": {
            "after": "5m",
            "chats": [{"id": contact.zalo, "lang": contact.lang or inventory.notify.lang} for contact in chats],
        },
    }
    return HEAD + dump(config)


def compose(inventory: Inventory, backend: Backend) -> str:
    """`docker-compose.yml`."""
    services = backend.services(inventory)
    port = _grafana_port(inventory)
    behind = [urlsplit(backend.upstream(inventory)).hostname or "", "grafana"]
    services["alertmanager"] = service(
        "prom/alertmanager:v0.27.0",
        user="0:0",
        environment={"TZ": inventory.service_hours.timezone},  # the times in mails
        command=["--config.file=/etc/alertmanager/alertmanager.yml", "--storage.path=/data"],
        volumes=["./alertmanager:/etc/alertmanager:ro", "alertmanager-data:/data"],
    )
    services["grafana"] = service(
        "grafana/grafana:10.4.2",
        user="0:0",
        environment={
            "GF_SERVER_ROOT_URL": inventory.server.grafana,
            "GF_SECURITY_ADMIN_PASSWORD__FILE": "/etc/grafana/secrets/grafana-admin.password",
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
            "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        },
        ports=["3000:3000"] if port is None else [],
        volumes=[
            "./grafana/provisioning:/etc/grafana/provisioning:ro",
            "./grafana/dashboards:/var/lib/grafana/dashboards:ro",
            "./grafana/secrets:/etc/grafana/secrets:ro",
            "grafana-data:/var/lib/grafana",
        ],
    )
    services["front"] = service(
        "nginx:1.26",
        ports=[f"{inventory.server.port}:9443", *([f"{port}:443"] if port is not None else [])],
        depends_on={name: {"condition": "service_started", "restart": True} for name in behind},  # it asks their addresses once
        volumes=[
            "./front:/etc/nginx/conf.d:ro",
            "./front/tls:/etc/nginx/tls:ro",
            "./runbooks:/usr/share/commune/runbooks:ro",
        ],
    )
    image = {"build": {"context": ".", "dockerfile": "Dockerfile"}}
    own = f"commune-agent:{__version__}"
    services["hub"] = service(
        own,
        **image,
        command=["run", "-c", "/etc/commune-agent/agent.yaml"],
        network_mode="host",
        cap_add=["NET_RAW"],
        volumes=["./hub:/etc/commune-agent:ro", "hub-data:/var/lib/commune-agent"],
    )
    if inventory.notify.zalo is not None:
        services["notify"] = service(
            own,
            **image,
            command=["province", "notify", "-c", "/etc/commune-notify/notify.yaml"],
            volumes=["./notify:/etc/commune-notify:ro", "notify-data:/data"],
        )
    volumes = sorted(
        mount.split(":")[0] for item in services.values() for mount in item.get("volumes", []) if not mount.startswith(".")
    )
    return HEAD + dump(
        {"name": f"commune-{inventory.province.slug}", "services": services, "volumes": {key: {} for key in volumes}}
    )


def readme(template: str, inventory: Inventory, backend: Backend) -> str:
    """The tree's own README, for the person who deploys it."""
    agents = sum(len(site.agents) for commune in inventory.communes for site in commune.sites)
    return Template(template).substitute(
        province=inventory.province.name,
        slug=inventory.province.slug,
        backend=backend.name,
        communes=len(inventory.communes),
        agents=agents,
        address=f"https://{inventory.server.names[0]}:{inventory.server.port}",
        grafana=inventory.server.grafana,
        report=backend.report(inventory),
        reload=" ".join((*backend.reloads, "alertmanager", "hub", "front")),
        restart="" if inventory.notify.zalo is None else " && docker compose restart notify",
        hub=hub_user(inventory),
        retention=round(inventory.server.retention / 86400),
        zalo_token="" if inventory.notify.zalo is None else "\n- `secrets/zalo-token`",
        smtp="" if inventory.notify.email is None or inventory.notify.email.username is None else "\n- `secrets/smtp-password`",
    )
