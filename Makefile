# Everything that one does with this project. `make` alone lists it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What the jobs make is kept here unless OPSJOBS_HOME says otherwise.
export OPSJOBS_HOME ?= $(CURDIR)/var
# Options for the command behind a target: make monitoring-daily ARGS="--date 2026-11-18"
ARGS ?=

SERVICES := prometheus-alertmanager prometheus-node-exporter prometheus-redis-exporter prometheus-blackbox-exporter

NATIVE := libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core

.DEFAULT_GOAL := help
.PHONY: help install demo test golden bench lint types native servers clean \
        monitoring-backup monitoring-compare monitoring-costs monitoring-daily monitoring-restore monitoring-run \
        monitoring-health monitoring-setup monitoring-start monitoring-status monitoring-stop monitoring-teardown

help: ## List what one can do
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-20s %s\n", $$1, $$2}'

install: $(VENV)/.installed native ## Install opsjobs into .venv
	@echo "Installed. Try: $(BIN)/opsjobs --help"

demo: $(VENV)/.installed native ## Try it: a simulated PratikoAI on real servers, and its daily report
	@$(BIN)/opsjobs demo $(ARGS)

monitoring-start: $(VENV)/.installed ## Render the monitoring stack and start it; ARGS="--system NAME --native"
	@$(BIN)/opsjobs stack up $(ARGS)

monitoring-stop: $(VENV)/.installed ## End it; the same ARGS
	@$(BIN)/opsjobs stack down $(ARGS)

monitoring-setup: $(VENV)/.installed ## Have cron run the jobs at their times; ARGS="--dry-run" to see first
	@$(BIN)/opsjobs schedule install $(ARGS)

monitoring-teardown: $(VENV)/.installed ## Take the jobs out of cron again
	@$(BIN)/opsjobs schedule uninstall $(ARGS)

monitoring-health: $(VENV)/.installed ## Whether the configured systems are well now
	@$(BIN)/opsjobs health $(ARGS)

monitoring-costs: $(VENV)/.installed native ## What the last week cost, and why that changed
	@$(BIN)/opsjobs costs $(ARGS)

monitoring-daily: $(VENV)/.installed native ## The daily report of the configured systems
	@$(BIN)/opsjobs daily $(ARGS)

monitoring-run: $(VENV)/.installed native ## Run all jobs at their times, until it is told to stop
	@$(BIN)/opsjobs schedule run $(ARGS)

monitoring-status: $(VENV)/.installed ## Whether each job ran when it was due
	@$(BIN)/opsjobs status $(ARGS)

monitoring-backup: $(VENV)/.installed ## Back up everything in Grafana
	@$(BIN)/opsjobs dashboards backup $(ARGS)

monitoring-compare: $(VENV)/.installed ## What is different in Grafana since the newest backup; ARGS="--system NAME"
	@$(BIN)/opsjobs dashboards diff $(ARGS)

monitoring-restore: $(VENV)/.installed ## What a restore would do, and do it when told; ARGS="latest --uid UID"
	@$(BIN)/opsjobs dashboards restore $(ARGS)

test: $(VENV)/.tested native servers ## Run the tests; TESTS="tests/unit -k name" for some of them
	@$(BIN)/python -m pytest -n auto --dist loadgroup $(TESTS)

golden: $(VENV)/.tested native ## Rewrite the expected outputs of the golden tests; read the diff
	@GOLDEN=rewrite $(BIN)/python -m pytest tests/cli tests/unit/schedule/test_crontab.py

bench: $(VENV)/.installed native ## Measure side by side what docs/benchmarks.md says; needs curl
	@$(BIN)/python benchmarks/bench.py
	@$(BIN)/python benchmarks/dashboards.py
	@$(BIN)/python benchmarks/forecasts.py

lint: $(VENV)/.tested ## Check style
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/.tested ## Check types
	@$(BIN)/mypy

clean: ## Remove the virtual environment and caches; what the jobs made stays
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	@echo "Making the virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { echo "It needs the venv module: apt-get install python3-venv"; exit 1; }

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing opsjobs and what it needs"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.tested: $(VENV)/.installed
	@echo "Installing what the tests need"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

# WeasyPrint loads pango from the system. Without it everything but the PDF works.
native: $(VENV)/.installed
	@$(BIN)/python -c 'import weasyprint' >/dev/null 2>&1 || { \
	  if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	    echo "Installing the native libraries for PDFs"; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(NATIVE) >/dev/null; \
	  elif command -v brew >/dev/null; then brew install pango; \
	  else echo "PDFs need native libraries that only an administrator can install: sudo apt-get install $(NATIVE)"; fi; }

# Tests use real servers and a real browser. Prometheus is fetched by the tests themselves; PostgreSQL, Redis,
# Alertmanager, exporters, a parser of compose files and Chromium have to be installed, without a cluster or a service of
# their own. Where one cannot be had, its tests are skipped by name.
servers:
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || { \
	  if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	    echo "Installing PostgreSQL for the tests"; \
	    mkdir -p /etc/postgresql-common; \
	    [ -e /etc/postgresql-common/createcluster.conf ] || \
	      echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null; \
	  fi; }
	@command -v redis-server >/dev/null || { \
	  if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	    echo "Installing Redis for the tests"; \
	    mkdir -p /etc/systemd/system; \
	    [ -e /etc/systemd/system/redis-server.service ] || \
	      ln -s /dev/null /etc/systemd/system/redis-server.service; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server >/dev/null; \
	  fi; }
	@command -v prometheus-alertmanager >/dev/null || command -v alertmanager >/dev/null || { \
	  if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	    echo "Installing Alertmanager, exporters and docker-compose for the tests"; \
	    mkdir -p /etc/systemd/system; \
	    for unit in $(SERVICES); do \
	      [ -e /etc/systemd/system/$$unit.service ] || ln -s /dev/null /etc/systemd/system/$$unit.service; done; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(SERVICES) docker-compose >/dev/null; \
	  fi; }
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || { \
	  if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	    echo "Installing Chromium for the tests"; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	  fi; }
