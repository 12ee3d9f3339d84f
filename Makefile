# Two commands on a fresh Debian machine: `make run` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
VENV ?= .venv
BIN := $(VENV)/bin
PYTHON ?= python3
ARGS ?=

# What the tests start for real; the agent itself needs none of it.
DEBIAN := python3 python3-venv python3-dev gcc iproute2 nftables iputils-ping curl fping traceroute mtr-tiny dnsmasq-base \
	nginx-light iperf3 prometheus prometheus-alertmanager prometheus-node-exporter prometheus-blackbox-exporter \
	prometheus-smokeping-prober prometheus-snmp-exporter victoria-metrics snmpd snmp snmptrapd tinyproxy tcpdump \
	ethtool faketime chromium fonts-dejavu-core gettext libcap2-bin openssl ca-certificates util-linux procps iw dbus systemd libseccomp2 \
	qemu-system-x86 debootstrap e2fsprogs cpio kmod xz-utils
SUDO := $(shell [ "$$(id -u)" = 0 ] || command -v sudo)

.PHONY: help run test check bench soak golden demo rivals faultlab docs packages clean

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: $(VENV)/.agent  ## set up the agent and run it (ARGS="--once" and the like)
	@$(BIN)/agent run $(ARGS)  # not shown: ARGS=--once prints metrics and nothing else

test: packages $(VENV)/.dev  ## set up everything that tests need, and run the whole check
	@$(MAKE) --no-print-directory check ARGS="--reruns 2 --reruns-delay 3 $(ARGS)"  # a busy machine is no fault; the count tells "rerun"

check: $(VENV)/.dev  ## lint, types, layers and tests, without set-up
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 agent collectors
	$(BIN)/lint-imports --no-cache
	$(BIN)/pytest $(ARGS)

soak: $(VENV)/.dev  ## the long suites, whole: the main job takes ten minutes
	SOAK=1 $(BIN)/pytest $(ARGS)

faultlab: packages $(VENV)/.dev  ## every fault of the diagnosis, and 20 runs on each healthy site (ARGS="--write" keeps the score in docs)
	$(BIN)/python -m tests.e2e.faultlab $(ARGS)

demo: packages $(VENV)/.dev  ## a whole site in network namespaces, scraped by Prometheus, with a cable pulled (ARGS="--seconds 60")
	$(BIN)/python -m tests.e2e.main_job $(ARGS)

bench: packages $(VENV)/.dev  ## what it costs, beside what others cost: one small table a bench (root)
	@for bench in $(or $(ARGS),$(basename $(notdir $(wildcard tests/bench/bench_*.py)))); do \
		echo "== $$bench"; $(BIN)/python -m tests.bench.$$bench || exit 1; done

rivals:  ## beside newer rivals that you have built: RIVALS=DIRECTORY (smokeping_prober, prometheus 3, the compliance suites)
	@[ -n "$(RIVALS)" ] || { echo "name the directory of what you have built: make rivals RIVALS=DIR"; exit 2; }
	PATH="$(RIVALS):$$PATH" $(MAKE) --no-print-directory bench ARGS="bench_ping bench_receiver"
	$(BIN)/python -m tests.receivers.compliance $(RIVALS)

golden: $(VENV)/.dev  ## record the golden files anew; review them by diff
	RECORD_GOLDEN=1 $(BIN)/pytest $(ARGS)

docs: $(VENV)/.dev  ## generate docs/metrics.md, docs/devices.md and the schemas in config/
	$(BIN)/agent metrics --format markdown > docs/metrics.md
	$(BIN)/python -c 'from agent import schema; print(schema.as_json(), end="")' > config/agent.schema.json
	$(BIN)/python -c 'from agent import schema; from agent.province.inventory import Inventory as I; print(schema.as_json(schema.document(I, "Inventory of a province")), end="")' > config/province.schema.json
	$(BIN)/python -m tests.collectors.snmp.report

packages:  # missing Debian packages only, so that a second run needs no network
	@missing=$$(for name in $(DEBIAN); do dpkg-query -W -f='$${Status}' $$name 2>/dev/null | grep -q ' installed' || echo $$name; done); \
	if [ -n "$$missing" ]; then \
		if ! command -v apt-get >/dev/null; then echo "install by hand: $$missing"; \
		elif [ "$$(id -u)" != 0 ] && [ -z "$(SUDO)" ]; then echo "root is needed to install: $$missing"; \
		else export DEBIAN_FRONTEND=noninteractive; policy=/usr/sbin/policy-rc.d; \
			made=; [ -e $$policy ] || { printf '#!/bin/sh\nexit 101\n' | $(SUDO) tee $$policy >/dev/null; $(SUDO) chmod 755 $$policy; made=1; }; \
			$(SUDO) apt-get update -q >/dev/null && \
			$(SUDO) apt-get install -q -y --no-install-recommends $$missing >/dev/null; status=$$?; \
			[ -z "$$made" ] || $(SUDO) rm -f $$policy; exit $$status; fi; fi

$(VENV)/bin/pip:
	@command -v apt-get >/dev/null && ! $(PYTHON) -c 'import ensurepip' 2>/dev/null && \
		{ $(SUDO) apt-get update -q >/dev/null; $(SUDO) apt-get install -q -y --no-install-recommends python3-venv >/dev/null; } || true
	$(PYTHON) -m venv $(VENV)

$(VENV)/.agent: $(VENV)/bin/pip pyproject.toml constraints.txt
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: $(VENV)/bin/pip pyproject.toml constraints.txt
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev,survey]'
	@touch $@ $(VENV)/.agent

clean:  ## remove what make made here
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
