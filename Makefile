# Two commands set everything up: `make demo` shows what sdtrace does, `make test` runs what CI runs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Compiling all of torch and its kin takes half a minute; Python compiles what it imports.
PIP := $(BIN)/python -m pip --disable-pip-version-check
DEMO := demo
# Each file on one process: fixtures of a module are made once, and one port serves one file's tests.
PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: demo test coverage wheel try-wheel lint docs pages clean

# Half precision is fast on a GPU; most CPUs convert it to float32 and back, three times slower.
COMPILED = $(shell $(BIN)/python -c "from sdtrace_collector.devices import device_of; print('fp32_sdpa' if device_of(None).type == 'cpu' else 'bf16_sdpa')")

demo: $(VENV)/collect
	$(BIN)/sdtrace collect --variant fp32_eager --variant $(COMPILED) --cold --force -o $(DEMO)/traces
	$(BIN)/sdtrace analyze $(DEMO)/traces traces --force -o $(DEMO)/report
	@echo "Open $(CURDIR)/$(DEMO)/report/report.html in a browser."

# Lint and wheel take one processor each.
test: $(VENV)/dev
	$(MAKE) --no-print-directory -j2 lint wheel
	$(PYTEST)

# The same tests, a quarter slower, with the lines and branches that none of them reaches.
coverage: $(VENV)/dev
	$(BIN)/coverage erase
	$(PYTEST) --cov --cov-report=term-missing:skip-covered

wheel: $(VENV)/dev
	$(BIN)/python tools/try_wheel.py

# Every Python found, lowest and newest dependencies: minutes, and hundreds of megabytes of downloads.
try-wheel: $(VENV)/dev
	$(BIN)/python tools/try_wheel.py --all

lint: $(VENV)/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# The site, in site/. A link or an anchor that leads nowhere is an error.
docs: $(VENV)/dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "Open $(CURDIR)/site/index.html in a browser."

# What is generated in docs/: the reference, and the outputs of the notebook.
pages: $(VENV)/dev
	$(BIN)/python -m tools.pages
	$(BIN)/python -m tools.notebook

$(VENV)/python:
	$(PYTHON) -c 'import sys; sys.exit("sdtrace needs Python 3.11 or later, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/collect: $(VENV)/python pyproject.toml constraints.txt
	$(PIP) install -q --no-compile -c constraints.txt -e '.[collect]'
	@touch $@

$(VENV)/dev: $(VENV)/python pyproject.toml constraints.txt
	$(PIP) install -q --no-compile -c constraints.txt -e '.[dev]'
	$(PIP) install -q --no-compile -c constraints.txt --no-deps HolisticTraceAnalysis
	@touch $@

clean:
	rm -rf $(VENV) $(DEMO) report site dist .coverage .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
