# Everything a person or CI does with this repository. Needs GNU make and Python 3.11; nothing else is installed by hand.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ARGS ?=
LOCKED := --generate-hashes --no-emit-index-url --universal --python-version 3.11 --quiet
UNIT := not stack and not browser and not faults
# Measured in an empty home: 108 s by pip, 20 s by uv. pip stays the way where uv can't be had or does not reach the index.
INSTALL_FAST = { $(BIN)/python -m pip install --quiet --require-hashes -r requirements-uv.lock && \
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock; }
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Downloads trust what this machine trusts: a company's own authority is in the system's bundle, not in Python's.
SYSTEM_CERTIFICATES := $(firstword $(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt))
ifneq ($(SYSTEM_CERTIFICATES),)
export SSL_CERT_FILE ?= $(SYSTEM_CERTIFICATES)
export REQUESTS_CA_BUNDLE ?= $(SYSTEM_CERTIFICATES)
endif

.PHONY: help setup run stop status test check deploy-check audit lock format browser clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 14

setup: $(READY) ## Make .venv with the pinned dependencies (no network once it is made)

# The hash of the lock decides, not its time: a fresh checkout or a touched file installs nothing again.
$(READY): requirements.lock pyproject.toml deploy/model.lock
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) is not installed; Slugline needs Python 3.11 (or give PYTHON=/path/to/python3.11)" >&2; exit 1; }
	@wanted="$$(cat requirements.lock pyproject.toml deploy/model.lock | sha256sum)"; \
	if [ -e $(READY) ] && [ "$$(cat $(READY))" = "$$wanted" ] && $(BIN)/python -c '' 2>/dev/null; then touch $(READY); exit 0; fi; \
	echo "installing into $(VENV): a minute or two, once" >&2; \
	rm -f $(READY); \
	$(BIN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV); \
	$(INSTALL_FAST) || $(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock; \
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --no-index -e .; \
	$(BIN)/python -m deploy.model; \
	echo "$$wanted" > $(READY)

run: setup ## Run everything on this machine until Ctrl-C (ARGS="--no-demo", "--port 9000")
	@exec $(BIN)/slugline local run $(ARGS)

stop: setup ## Stop what `make run` started
	@$(BIN)/slugline local stop

status: setup ## Show what runs and whether it is ready
	@$(BIN)/slugline local status

test: setup browser ## Run all tests: unit, property, contract, on the real broker and database, faults, the page in Chromium
	$(BIN)/python -m pytest $(ARGS)

check: setup ## Check format, lint, types, import rules and contracts, and run the unit tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/slugline contracts check
	$(BIN)/python -m pytest -q -m "$(UNIT)" $(ARGS)

deploy-check: setup ## Check the chart, alerts, dashboard, Dockerfile and compose, with neither a cluster nor a container engine
	$(BIN)/python -m deploy.helm.check

audit: setup ## Write the SBOM (CycloneDX) and look for known vulnerabilities (asks PyPI; ARGS="--service osv" asks OSV)
	$(BIN)/python -m deploy.audit $(ARGS)

lock: setup ## Pin the dependencies anew, with hashes and without index addresses
	$(BIN)/uv pip compile pyproject.toml --all-extras $(LOCKED) -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra ingest --extra cluster --extra publish --extra build $(LOCKED) -c requirements.lock -o deploy/compose/requirements.lock

format: setup ## Format the code and mend what ruff can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || { \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	echo "installing Chromium for the tests of the page" >&2; \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	else echo "make: the tests of the page need Chromium: install it (Debian: apt-get install chromium), or run make check" >&2; exit 1; fi; }

clean: ## Remove the data of `make run` and what tools left; .venv and the downloaded broker stay
	@if [ -x $(BIN)/slugline ]; then $(BIN)/slugline local clean; fi
	@rm -rf .slugline .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist test-artifacts
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
