# Everything that people and CI run. `make` alone lists it.
#
# The virtual environment is made in .venv on first use, and again brought up to date when pyproject.toml or
# constraints.txt changes. PYTHON=... chooses the interpreter it is made from.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := src tests demo bench
# `make soak` takes SOAK="--seconds 3600" for the clients, and runs the long tests after them
SOAK ?= --seconds 60
# pytest's own options, for example: make test PYTEST="-x tests/oci". Two workers more than processors: tests wait for the disk, and
# for other programs
PYTEST ?= -n $(shell expr 2 + $$(getconf _NPROCESSORS_ONLN))

.DEFAULT_GOAL := help
.PHONY: help demo test soak check format coverage bench clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.run ## assemble a multi-platform image, copy it between two registries, compare every digest
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python demo/demo.py

test: $(VENV)/.dev ## run all tests
	@$(BIN)/python -m pytest $(PYTEST)

soak: $(VENV)/.dev ## pushes, pulls and deletes under constant collection, then thousands of crashes; SOAK="--seconds 3600"
	@$(BIN)/python -m tests.soak.run $(SOAK)
	@$(BIN)/python -m pytest -n auto -m soak
	@$(BIN)/python -m pytest -n auto -m "hypothesis and not soak" --hypothesis-profile=search

check: $(VENV)/.dev ## lint, format, types, direction of imports
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## let ruff format and mend what it can
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

coverage: $(VENV)/.dev ## run all tests in one process and report branch coverage
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage report --skip-covered

bench: $(VENV)/.run ## measure against the peers on the PATH; BENCH="--help" shows the choices
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m bench $(BENCH)

clean: ## remove the virtual environment and every cache
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage build dist
	find src tests demo bench -name __pycache__ -type d -prune -exec rm -rf {} +

# The build backend goes in first, so that its version is pinned like all others.
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

$(VENV)/.run: pyproject.toml constraints.txt $(VENV)/.made
	@echo "installing wherry into $(VENV)" >&2
	@$(PIP) install -c constraints.txt hatchling editables
	@$(PIP) install -c constraints.txt --no-build-isolation --editable '.[server]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt $(VENV)/.made
	@echo "installing wherry and its development tools into $(VENV)" >&2
	@$(PIP) install -c constraints.txt hatchling editables
	@$(PIP) install -c constraints.txt --no-build-isolation --editable '.[dev]'
	@touch $@ $(VENV)/.run

$(VENV)/.made:
	@command -v "$(PYTHON)" >/dev/null || \
	  { echo "make: no '$(PYTHON)' on the PATH; install Python 3.11 or later, or say PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: wherry needs Python 3.11 or later, and '$(PYTHON)' is $$("$(PYTHON)" -V 2>&1); say PYTHON=python3.11, for example" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "make: '$(PYTHON)' cannot make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@"$(PYTHON)" -m venv --clear $(VENV)
	@touch $@
