# Everything runs in .venv, from the versions pinned in constraints.txt. `make help` lists the targets.
SHELL := /bin/sh
.DEFAULT_GOAL := help

PYTHON ?= $(shell for p in python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
WORKERS ?= 2
BIN := .venv/bin
STAMP := .venv/.installed
PYTEST := $(BIN)/python -m pytest -n $(WORKERS)

.PHONY: help check test test-slow test-all lint style types imports bench wheel clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | awk -F'|' '{printf "make %-10s %s\n", $$1, $$2}'

# Older pips read PIP_CONSTRAINT for the build's own environment too; newer ones want PIP_BUILD_CONSTRAINT.
$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "symicl needs Python 3.11 or newer, and neither python3.11 nor python3 is one;" \
		"install it, or say where it is: make PYTHON=/path/to/python" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing symicl and its tools into .venv"
	@PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 \
		$(BIN)/python -m pip install -qq --no-input -c constraints.txt -e '.[dev]'
	@touch $@

check: $(STAMP) ## set up, then judge every claim
	$(BIN)/symicl check

test: $(STAMP) ## the quick tests, few examples a property
	SYMICL_HYPOTHESIS_PROFILE=dev $(PYTEST) -m "not slow"

# pytest answers 5 where nothing is marked slow: that is no failure.
test-slow: $(STAMP) ## the slow tests alone, many examples a property
	SYMICL_HYPOTHESIS_PROFILE=ci $(PYTEST) -m slow || test $$? -eq 5

test-all: $(STAMP) ## all tests, many examples a property
	SYMICL_HYPOTHESIS_PROFILE=ci $(PYTEST)

lint: style types imports ## style, types and import contracts

style: $(STAMP) ## ruff: rules and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(STAMP) ## mypy, strict (set in pyproject.toml)
	$(BIN)/mypy

imports: $(STAMP) ## import-linter: who may import whom
	$(BIN)/lint-imports

bench: $(STAMP) ## run every benchmarks/bench_*.py
	@set -e; for f in benchmarks/bench_*.py; do echo "== $$f"; $(BIN)/python "$$f"; done

wheel: $(STAMP) ## build dist/symicl-*.whl
	@rm -rf dist
	@PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 \
		$(BIN)/python -m pip wheel -qq --no-input --no-deps -w dist .
	@ls dist/*.whl

clean: ## remove .venv, dist and caches
	rm -rf .venv dist build .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .benchmarks
	find symicl proofs tests examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
