# What a person types here. Each target sets up what it needs; `make` alone lists them.
#
# Needs Python 3.11 or newer with venv, and make. Everything goes into .venv and .make in this folder.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Name another Python with: make PYTHON=/usr/bin/python3.12 demo
PYTHON ?=
# Test processes at a time; DEMO takes further options of `ashiato demo`, TESTS of pytest.
WORKERS ?= 2
DEMO ?=
TESTS ?=

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
SECOND_DUCKDB := 2.0.0
SOURCES := ashiato api detections ingest lake tests docs bench .ci

.PHONY: help
help: ## this list
	@echo "Ashiato: Kubernetes audit logs, kept and judged."; echo
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: .venv/.for-use ## play real audit logs with attacks in them, and see the findings
	@$(BIN)/ashiato demo $(DEMO)

.PHONY: test
test: .venv/.for-work ## run the test suite
	$(PYTEST) $(TESTS)

.PHONY: check
check: lint types floors docs-check test-duckdb2 ## format, lint, types, floors, docs up to date, tests on DuckDB 2.0.0

.PHONY: lint
lint: .venv/.for-work ## formatting and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

.PHONY: types
types: .venv/.for-work ## mypy --strict
	$(BIN)/mypy --strict

.PHONY: floors
floors: .venv/.for-work ## imports point down
	$(BIN)/lint-imports --no-logo

.PHONY: docs
docs: .venv/.for-work ## write the reference pages anew from the code
	$(BIN)/python docs/generate.py

.PHONY: docs-check
docs-check: .venv/.for-work ## fail when a reference page differs from the code
	$(BIN)/python docs/generate.py --check

.PHONY: test-duckdb2
test-duckdb2: .venv/.for-work .make/duckdb-$(SECOND_DUCKDB)/.done ## the test suite on DuckDB 2.0.0
	PYTHONPATH=$(CURDIR)/.make/duckdb-$(SECOND_DUCKDB) EXPECTED_DUCKDB=$(SECOND_DUCKDB) $(PYTEST) $(TESTS)

.PHONY: wheel
wheel: .venv/.for-work ## build the wheel; try it, installed, in an empty environment without the source
	PYTHON=$(CURDIR)/$(BIN)/python .ci/try_wheel

.PHONY: wheel-file
wheel-file: .venv/.for-work ## build dist/ashiato-*.whl
	$(BIN)/python -m build --wheel

.PHONY: bench
bench: .venv/.for-work ## measure (minutes; the machine should be idle)
	@set -e; for script in bench/[a-z]*.py; do echo "== $$script"; $(BIN)/python $$script; done

.PHONY: format
format: .venv/.for-work ## format the code, mend what lint can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: golden
golden: .venv/.for-work ## write the golden files of the reports and the README's finding anew (read the diff!)
	UPDATE_GOLDEN=1 $(BIN)/python -m pytest tests/reports tests/test_docs.py

.PHONY: constraints
constraints: .venv/.for-work ## write the versions installed now into constraints.txt
	@{ head -n 2 constraints.txt; $(PIP) freeze --exclude-editable; } > .make/constraints.txt
	@mv .make/constraints.txt constraints.txt

.PHONY: clean
clean: ## remove what make made here, the environments included (a lake elsewhere stays)
	rm -rf .venv .make dist build ashiato-demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- environments: stamp files, so that the second time is quick ---------------------------------

.venv/bin/python:
	@python=; for candidate in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11); do \
	    if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$candidate; break; fi; done; \
	if [ -z "$$python" ]; then \
	    echo "error: Ashiato needs Python 3.11 or newer; found: $$($(or $(PYTHON),python3) --version 2>&1 | tail -n 1)" >&2; \
	    echo "hint:  install one (Debian 12, Ubuntu 24.04: apt-get install python3 python3-venv) or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; fi; \
	if ! "$$python" -c 'import venv, ensurepip' 2>/dev/null; then \
	    echo "error: $$("$$python" --version) has no venv or ensurepip, so it cannot make an environment" >&2; \
	    echo "hint:  on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; fi; \
	echo "Making .venv with $$("$$python" --version)"; "$$python" -m venv .venv

.venv/.for-use: .venv/bin/python pyproject.toml constraints.txt
	@echo "Installing Ashiato into .venv (the first time takes a minute or two)"
	@$(PIP) install --quiet -c constraints.txt -e . || { \
	    echo "hint:  pip could not install; it needs a package index (pip config list shows which one it asks)" >&2; exit 1; }
	@touch $@

.venv/.for-work: .venv/.for-use
	@echo "Installing what tests and checks need"
	@$(PIP) install --quiet -c constraints.txt -e '.[dev]'
	@mkdir -p .make; touch $@

.make/duckdb-$(SECOND_DUCKDB)/.done: .venv/bin/python
	@echo "Fetching DuckDB $(SECOND_DUCKDB) besides"
	@rm -rf $(@D); $(PIP) install --quiet --no-deps --target $(@D) duckdb==$(SECOND_DUCKDB)
	@touch $@
