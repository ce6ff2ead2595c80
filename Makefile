# make demo   the main job on real vectors      make test   the tests
# Everything runs in .venv, made from constraints.txt by `make setup`.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin

.PHONY: help setup demo test check docs bench evidence clean

help:
	@echo "make demo | test | check | docs | bench | evidence | setup | clean"

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt "torch==2.13.0"
	$(RUN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable ".[demo,dev]"
	touch $@

demo: setup
	$(RUN)/isthmus demo --out demo-out

test: setup
	$(RUN)/python -m pytest

check: setup
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/lint-imports

docs: setup
	$(RUN)/python docs/generate.py

bench: setup
	$(RUN)/python benchmarks/run.py

evidence: setup
	$(RUN)/isthmus reproduce --all --save docs/results

clean:
	rm -rf $(VENV) demo-out build dist
