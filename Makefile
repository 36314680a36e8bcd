# Everything here sets up its own environment; PYTHON may name another interpreter (3.11 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STUDY ?= demo
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test test-long lint check-sources check-original bench clean

$(VENV)/base: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("cityfolk needs Python 3.11 or newer; say make PYTHON=/path/to/python3.11" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	touch $@

# torch comes first and alone: pulled in by another package it brings gigabytes of CUDA with it.
$(VENV)/test: $(VENV)/base
	$(PIP) torch==2.13.0
	$(PIP) --editable '.[test]'
	touch $@

demo: $(VENV)/base
	$(BIN)/cityfolk run --out $(STUDY)

lint: $(VENV)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(BIN)/pytest -m "not long" -n 2

test-long: $(VENV)/test
	$(BIN)/pytest -m long -n 2 --dist loadscope

check-sources: $(VENV)/base
	$(BIN)/python scripts/check_sources.py "$(DATA)"

check-original: $(VENV)/base
	$(BIN)/python scripts/check_original.py "$(DATA)"

bench: $(VENV)/base
	$(BIN)/python benchmarks/people.py
	$(BIN)/python benchmarks/pocket.py
	$(BIN)/python benchmarks/engines.py
	$(BIN)/python benchmarks/citizens.py
	$(BIN)/python benchmarks/text.py

clean:
	rm -rf $(VENV) $(STUDY) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
