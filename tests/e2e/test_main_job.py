"""The main job, held to account: what Prometheus answers about a site whose cable is pulled and plugged in again.

`make test` runs it in half a minute; `make soak` (SOAK=1) for ten.
"""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.agent.test_exposition import strict
from tests.e2e.main_job import running
from tests.netlab import available

PART = 200.0 if os.environ.get("SOAK") else 5.0
PORTALS = {"dichvucong.gov.vn", "xacthuc.dichvucong.gov.vn", "sso.dancuquocgia.gov.vn", "ocsp.ca.gov.vn"}

pytestmark = [pytest.mark.netlab, pytest.mark.skipif(available() is not None, reason=str(available()))]


def test_ten_minutes_at_a_site_without_a_configuration() -> None:
    with running() as job:
        job.wait("commune_http_success", 30)
        job.wait("commune_ping_up", 10)
        time.sleep(PART)
        assert job.query("commune_link_up") == {"link=eth0": 1}
        assert job.query('commune_ping_up{target="gateway"}') == {"link=eth0,target=gateway": 1}
        assert {labels.removeprefix("target=") for labels in job.query("commune_http_success == 1")} == PORTALS
        assert job.query("commune_tls_verified")["target=dichvucong.gov.vn"] == 1
        assert job.query("commune_dns_success") == {"query=dichvucong.gov.vn,server=192.168.1.1": 1}
        assert set(job.query("commune_agent_collector_success").values()) <= {1}
        # As many echo requests in a while as there are seconds, and none lost.
        sent, received = (job.query(f'commune_ping_{what}_total{{target="gateway"}}') for what in ("sent", "received"))
        assert 0 <= sum(sent.values()) - sum(received.values()) <= 1

        # Prometheus takes both forms, and finds the same in them.
        end = time.monotonic() + 30
        while (text := {(name.removeprefix("text_"), labels) for name, labels in job.names("text_commune_.+")}) != (
            openmetrics := job.names("commune_.+")
        ):
            assert time.monotonic() < end, text ^ openmetrics  # one of them is scraped first when a series is new
            time.sleep(0.5)
        assert len(text) > 60
        assert job.query('up{job="text"}') == {"": 1}
        assert job.query("text_commune_link_up") == job.query("commune_link_up")

        # What the page says in either form, promtool and the strict parser accept.
        page = job.fetch("http://127.0.0.1:9797/metrics")
        names = {sample.name for family in text_string_to_metric_families(page) for sample in family.samples}
        other = job.fetch("http://127.0.0.1:9797/metrics", "application/openmetrics-text;version=1.0.0")
        assert {sample.name for family in strict(other) for sample in family.samples} == names
        lint = subprocess.run(["promtool", "check", "metrics"], input=page, text=True, capture_output=True, check=False)
        assert (lint.returncode, lint.stdout, lint.stderr) == (0, "", "")

        with job.site.cables[0].cut():
            assert job.wait("commune_link_up == bool 0", 15) < 12
            job.wait('commune_ping_up{target="gateway"} == bool 0', 10)
            job.wait('commune_interface_up{interface="eth0"} == bool 0', 20)
            time.sleep(PART)
            assert set(job.query("commune_agent_collector_success").values()) <= {1}  # an unreachable target is an answer
        assert job.wait("commune_link_up", 15) < 12
        time.sleep(PART)
        down = job.query('commune_link_seconds_total{state="down"}')["link=eth0,state=down"]
        assert down >= PART * 0.7
        assert Path(f"/proc/{job.agent.pid}/status").exists()

        begin = time.monotonic()
        job.agent.send_signal(signal.SIGTERM)
        assert job.agent.wait(5) == 0
        assert time.monotonic() - begin < 2
        log = job.log.read_text()
        assert "Traceback" not in log
        assert log.splitlines()[-1].endswith("msg=stopped")
        assert len(log.splitlines()) < 60  # per event, not per probe
