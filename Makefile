# `make demo`, `make test` and `make check` need Python 3.11 or newer with its venv module, nothing else.
# Another interpreter: `make check PYTHON=/path/to/python3.12` (after `make clean`).
.DEFAULT_GOAL := help
.PHONY: help demo test test-kafka test-prometheus test-browser test-postgres pictures pictures-console chaos kafka bench-peers bench-detection bench-detection-external check lint format types contracts lock clean notebooks
ARGS ?=
SCALES ?= 20k
LOG ?= eugene.csv
BROKER ?= embedded
JOBS ?= 3
BIN := .venv/bin
# In a network namespace: the ports that the deployed files name are free there.
ALONE := unshare --net --map-root-user $(BIN)/python -m tests.prometheus.alone

help:
	@echo "make demo [ARGS=...]  the whole pipeline on simulated searches, with a broker of its own"
	@echo "make test             every test that needs no outside service"
	@echo "make test-kafka       the tests of delivery on Apache Kafka itself; needs Java 17 and Maven"
	@echo "make test-prometheus  the tests on Prometheus and Alertmanager; needs them and Linux, installs them as root on Debian"
	@echo "make test-postgres    the console's store on PostgreSQL; needs it (Debian's package)"
	@echo "make test-browser     the console in a real browser; needs Chromium (Debian's package)"
	@echo "make pictures-console the pages of the console as pictures into docs/console; the same needs"
	@echo "make pictures         the dashboards drawn from a real run into docs/dashboards; the same needs"
	@echo "make notebooks        the analysts' notebooks in a browser; ARGS=\"explore_a_log.py -- --log FILE\" one of them"
	@echo "make chaos SEEDS=500  seeded faults against three workers, with a summary; BROKER=kafka: on Apache Kafka"
	@echo "make kafka            Apache Kafka on this machine until Ctrl-C, for trying things out; the same needs"
	@echo "make bench-peers      the frameworks that \`./probewatch bench peers\` compares us with, each in a .venv-peers-*"
	@echo "make bench-detection [SEEDS=... SCALES=...]  detectors and plain methods on labelled simulations, into docs/"
	@echo "make bench-detection-external LOG=FILE  tails and Farrington on the real log that docs/eugene.md names"
	@echo "make check            what CI runs: lint, types, import contracts, tests"
	@echo "make format           put the code into the form that lint asks for"
	@echo "make lock             resolve pyproject.toml again and pin what comes out"
	@echo "make clean            remove .venv and what tools left behind"
	@echo "./probewatch --help   the commands"

demo:
	@./probewatch demo $(ARGS)

check: lint types contracts test

lint: .venv/.locked
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: .venv/.locked
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: .venv/.locked
	$(BIN)/mypy

contracts: .venv/.locked
	$(BIN)/lint-imports --no-cache

# Whole files in JOBS processes: three for two cores because many tests wait, and four get in each other's way.
# JOBS=0: in this one, for a debugger.
test: .venv/.locked
	$(BIN)/python -m pytest -m "not kafka and not prometheus and not browser and not postgres" -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

# A missing Kafka is a failure here; `pytest -m kafka` alone skips and says why.
test-kafka: .venv/.locked
	REQUIRE_KAFKA=1 $(BIN)/python -m pytest -m kafka $(ARGS)

# Missing servers are a failure here, unless root can install them; `pytest -m prometheus` alone skips and says why.
test-prometheus: .venv/.locked
	@for program in prometheus prometheus-alertmanager prometheus-node-exporter; do \
	  command -v $$program >/dev/null || missing="$$missing $$program"; done; \
	if [ -n "$$missing" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing$$missing ..." && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; fi
	REQUIRE_PROMETHEUS=1 $(ALONE) -m pytest -m prometheus tests/prometheus $(ARGS)

# A missing PostgreSQL is a failure here; `pytest -m postgres` alone skips and says why.
test-postgres: .venv/.locked
	REQUIRE_POSTGRES=1 $(BIN)/python -m pytest -m postgres tests/console $(ARGS)

# A missing browser is a failure here; `pytest -m browser` alone skips and says why.
test-browser: .venv/.locked
	REQUIRE_BROWSER=1 $(BIN)/python -m pytest -m browser tests/console/browser $(ARGS)

pictures-console: .venv/.locked
	PICTURES=docs/console REQUIRE_BROWSER=1 $(BIN)/python -m pytest -q -m browser tests/console/browser/test_pictures.py

pictures: .venv/.locked
	@$(ALONE) -m tests.prometheus docs/dashboards

# On the loopback address alone, and with a token that it prints.
notebooks: .venv/.locked
	PYTHONPATH=$(CURDIR) $(BIN)/marimo edit notebooks/$(ARGS)

# Seeds 0 to SEEDS-1, or those that ONLY names: make chaos ONLY="17 23" BROKER=kafka
chaos: .venv/.locked
	@$(BIN)/python -m tests.delivery.chaos --broker $(BROKER) $(if $(ONLY),--only $(ONLY),--seeds $(or $(SEEDS),20)) $(ARGS)

kafka: .venv/.locked
	@$(BIN)/python -m tests.kafka.cluster $(ARGS)

# They are no dependencies of the product, and their own dependencies do not go together.
bench-peers: .venv-peers-quix/.locked .venv-peers-bytewax/.locked

# Half a minute a seed at 20k. SEEDS="0-9 100-119" SCALES="20k 1M" are lists.
bench-detection: .venv/.locked
	@$(BIN)/python -m bench.detection --seeds $(or $(SEEDS),0-9 100-119) --scales $(SCALES) --page docs/detection.md $(ARGS)

bench-detection-external: .venv/.locked
	@$(BIN)/python -m bench.detection --external $(LOG) --page docs/detection.md $(ARGS)

.venv-peers-%/.locked: bench/peers/requirements-%.txt .venv/.locked
	@$(BIN)/python -m venv --clear .venv-peers-$* && \
	.venv-peers-$*/bin/python -m pip install --quiet --disable-pip-version-check -r $< || \
	{ rm -rf .venv-peers-$*; echo "$* CANNOT BE HAD: ./probewatch bench peers goes without it" >&2; exit 0; }
	@test ! -d .venv-peers-$* || touch $@

# Made once, and again whenever the lock changes: nothing outside the lock survives in it.
.venv/.locked: requirements-dev.txt
	@python=$${PYTHON:-$$(for name in python3.11 python3.12 python3.13 python3; do \
	  $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)}; \
	if ! $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	  echo "Probewatch needs Python 3.11 or newer. Found: $$(python3 --version 2>&1)." \
	    "Install it, or name one: make PYTHON=/path/to/python3.11" >&2; exit 1; fi; \
	if ! $$python -c 'import ensurepip, venv' 2>/dev/null; then \
	  echo "$$python has no venv module. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; fi; \
	echo "Setting up .venv with $$($$python --version), about a minute ..."; \
	$$python -m venv --clear .venv && \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

# pip-tools is not locked itself: it makes the lock. No address of a package index goes into the files.
lock:
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe --no-header --no-annotate \
	  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options \
	  --output-file requirements.txt pyproject.toml
	$(BIN)/pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe --no-header --no-annotate \
	  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options \
	  --extra dev --constraint requirements.txt --output-file requirements-dev.txt pyproject.toml

clean:
	rm -rf .venv .venv-peers-* .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
