# Needs Python 3.11 or newer, make and a network: make run, make test.

PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
COMPILED := build/compiled
COMPILED_TESTS := $(addprefix tests/,app attacks conformance fuzz message observability policy server tracecontext test_compiled.py)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: run test test-slow test-compiled compiled check format bench faults lock

run: $(VENV)/run.stamp
	$(BIN)/traceward demo $(ARGS)

test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -n auto $(ARGS)

# One at a time, for some of them measure memory. Status 5: none was found.
test-slow: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -m slow --timeout 900 $(ARGS) || test $$? -eq 5

# Whatever the tests import, and the programs they start, comes from the compiled wheel.
test-compiled: $(VENV)/dev.stamp compiled
	PYTHONSAFEPATH=1 PYTHONPATH="$(CURDIR)/$(COMPILED):$(CURDIR)" \
	  $(BIN)/python -m pytest --compiled -n auto $(ARGS) $(COMPILED_TESTS)

# To run it: PYTHONPATH=build/compiled .venv/bin/python -P -m proxy. To install it: pip install build/wheel/*.whl
compiled: $(COMPILED)/compiled.stamp

check: $(VENV)/dev.stamp
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(VENV)/dev.stamp
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: $(VENV)/dev.stamp
	@! command -v $${CC:-cc} >/dev/null || $(MAKE) compiled
	$(BIN)/python -m bench.count
	$(BIN)/python -m bench.decide
	$(BIN)/python -m bench.metrics
	$(BIN)/python -m bench.scrape
	$(BIN)/python -m bench.compare $(ARGS)

faults: $(VENV)/dev.stamp
	$(BIN)/python -m bench.faults $(ARGS)

# Both stamps are made anew when a lock or pyproject.toml is newer; sources are used in place.
$(VENV)/run.stamp: requirements/run.lock requirements/build.lock pyproject.toml | $(BIN)/python
	$(PIP) --require-hashes -r requirements/run.lock -r requirements/build.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.lock pyproject.toml | $(BIN)/python
	$(PIP) --require-hashes -r requirements/dev.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/compile.stamp: requirements/compile.lock | $(BIN)/python
	$(PIP) --require-hashes -r requirements/compile.lock
	@touch $@

# From a copy: what is compiled would stand beside the sources, and be imported instead of them.
$(COMPILED)/compiled.stamp: $(VENV)/run.stamp $(VENV)/compile.stamp $(shell find proxy -name '*.py') config/demo.yaml
	@command -v $${CC:-cc} >/dev/null || { \
	  echo "A C compiler is needed. On Debian and Ubuntu: apt install gcc libc6-dev python3-dev" >&2; exit 1; }
	rm -rf build/sources build/wheel $(COMPILED)
	mkdir -p build/sources/config
	cp -R proxy pyproject.toml README.md LICENSE build/sources/
	cp config/demo.yaml build/sources/config/
	cd build/sources && HATCH_BUILD_HOOK_ENABLE_MYPYC=1 \
	  "$(CURDIR)/$(BIN)/python" -m hatchling build --target wheel --directory ../wheel
	$(BIN)/python -m zipfile --extract build/wheel/*.whl $(COMPILED)
	rm -r build/sources
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed. Name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) lacks venv. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# For who changes a dependency; the locks name versions and hashes, never an address.
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
  --no-emit-index-url --no-emit-find-links
lock:
	$(LOCK) --group build -o requirements/build.lock
	$(LOCK) --group compile -c requirements/build.lock -o requirements/compile.lock
	$(LOCK) pyproject.toml --all-extras -o requirements/run.lock
	$(LOCK) pyproject.toml --all-extras --group dev -c requirements/run.lock -c requirements/compile.lock -o requirements/dev.lock
