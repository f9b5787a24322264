# Everything a person or the CI does with this repository. `make help` lists it.
# Needs GNU make and Python 3.11 or later; pip is the only thing that uses the network.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
CODE := semscan engine export training cli tests benchmarks examples

.PHONY: help demo test lint types check format bench clean
.DELETE_ON_ERROR:

help:
	@echo "make demo     install into $(VENV) and scan examples/paper.pdf"
	@echo "make test     install everything into $(VENV) and run the whole test suite"
	@echo "make lint     ruff: rules and format"
	@echo "make types    mypy, strict on everything but tests and benchmarks"
	@echo "make check    test, lint and types"
	@echo "make format   let ruff rewrite the code"
	@echo "make bench PDFS=FOLDER   throughput of a scan of the PDFs in FOLDER"
	@echo "make clean    remove $(VENV) and every cache"

demo: $(VENV)/.installed-cpu
	$(BIN)/semscan examples/paper.pdf

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

# mypy reads folders, not setuptools' package-dir: show it the tree under the names that the code imports.
types: $(VENV)/.installed-dev
	@mkdir -p .typing/semscan
	@ln -sfn ../../semscan/__init__.py .typing/semscan/__init__.py
	@ln -sfn ../../semscan/py.typed .typing/semscan/py.typed
	@for package in engine export training cli; do ln -sfn ../../$$package .typing/semscan/$$package; done
	$(BIN)/mypy --config-file pyproject.toml -m semscan -p semscan.engine -p semscan.export -p semscan.training -p semscan.cli

check: test lint types

bench: $(VENV)/.installed-cpu
	$(BIN)/python benchmarks/bench_scan.py $(PDFS) $(ARGS)

clean:
	rm -rf $(VENV) .typing .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist semscan.egg-info
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "semscan needs Python 3.11 or later; try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-cpu: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[cpu]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[cpu,train,dev]'
	@touch $@ $(VENV)/.installed-cpu
