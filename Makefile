# make demo   the main job on real vectors      make test   the tests
# Everything runs in .venv, made from constraints.txt by `make setup`.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin

COMPARE := .venv-compare

.PHONY: help setup demo test check docs bench compare evidence faults clean

help:
	@echo "make demo | test | check | docs | bench | compare | evidence | faults | setup | clean"

setup: $(VENV)/.ready

# A pip of today resolves in half of the time. Of what is installed only what is used is compiled,
# once, at its first import.
export PYTHONDONTWRITEBYTECODE :=
INSTALL := python -m pip install --quiet --disable-pip-version-check --no-compile \
	--constraint constraints.txt

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN)/$(INSTALL) pip
	$(RUN)/$(INSTALL) "torch==2.13.0" --editable ".[demo,dev]"
	touch $@

demo: setup
	$(RUN)/isthmus demo --out demo-out

# One worker a core, one BLAS thread a worker: more threads than cores only wait for each other.
test: setup
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(RUN)/python -m pytest -n logical --dist worksteal

check: setup
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/lint-imports

docs: setup
	$(RUN)/python docs/generate.py

bench: setup
	$(RUN)/python benchmarks/run.py

compare: $(COMPARE)/.ready
	ISTHMUS_DISAGREEMENTS=benchmarks/results/disagreements.json \
		$(COMPARE)/bin/python -m pytest tests/comparison
	$(COMPARE)/bin/python docs/disagreements.py

$(COMPARE)/.ready: pyproject.toml constraints.txt $(wildcard tests/comparison/requirements*.txt)
	$(PYTHON) -m venv $(COMPARE)
	$(COMPARE)/bin/$(INSTALL) "torch==2.13.0" \
		--requirement tests/comparison/requirements.txt --editable ".[dev]"
	$(COMPARE)/bin/$(INSTALL) --no-deps --requirement tests/comparison/requirements-alone.txt
	touch $@

# Twenty kills an engine, where `make test` has five of Ray.
faults: setup
	ISTHMUS_FAULTS=20 OMP_NUM_THREADS=1 $(RUN)/python -m pytest -s tests/faults

evidence: setup
	$(RUN)/isthmus reproduce --all --save docs/results
	$(RUN)/python -m pytest -m slow

clean:
	rm -rf $(VENV) $(COMPARE) demo-out build dist
