# Two commands set everything up: `make demo` shows what sdtrace does, `make test` runs what CI runs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
DEMO := demo

.PHONY: demo test try-wheel lint clean

demo: $(VENV)/collect
	$(BIN)/sdtrace collect --variant fp32_eager --variant bf16_sdpa --cold --force -o $(DEMO)/traces
	$(BIN)/sdtrace analyze $(DEMO)/traces traces --force -o $(DEMO)/report
	@echo "Open $(CURDIR)/$(DEMO)/report/report.html in a browser."

test: $(VENV)/dev lint
	$(BIN)/python tools/try_wheel.py
	$(BIN)/coverage erase
	# Each file on one process: fixtures of a module are made once, and one port serves one file's tests.
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder --cov --cov-report=term-missing:skip-covered

# Every Python found, lowest and newest dependencies: minutes, and hundreds of megabytes of downloads.
try-wheel: $(VENV)/dev
	$(BIN)/python tools/try_wheel.py --all

lint: $(VENV)/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

$(VENV)/python:
	$(PYTHON) -c 'import sys; sys.exit("sdtrace needs Python 3.11 or later, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/collect: $(VENV)/python pyproject.toml constraints.txt
	$(PIP) install -q -c constraints.txt -e '.[collect]'
	@touch $@

$(VENV)/dev: $(VENV)/python pyproject.toml constraints.txt
	$(PIP) install -q -c constraints.txt -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) $(DEMO) report dist .coverage .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
