# Everything works on a fresh machine with Python, make and a C compiler: targets make their own environment.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
ORACLE ?= python3.8

.PHONY: build debug test demo lint types annotate bench golden clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.ready: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --upgrade 'setuptools>=77' 'cython>=3.1' 'numpy>=2.0' pytest hypothesis
	touch $@

build: $(VENV)/.ready
	$(BIN)/python setup.py --quiet build_ext --inplace

debug: $(VENV)/.ready
	CYEXEC_DEBUG=1 $(BIN)/python setup.py --quiet build_ext --inplace --force

test: build
	$(BIN)/python -m pytest tests

demo: build
	$(BIN)/python -m cyexec.demo

lint: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet ruff
	$(BIN)/ruff check cyexec planner tests benchmarks setup.py

types: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet mypy
	$(BIN)/mypy cyexec planner

annotate: $(VENV)/.ready
	$(BIN)/cython -a -3 -I cyexec/kernels $(FILE)

bench: build
	$(BIN)/python -m benchmarks --readme

golden: build
	ORACLE=$(ORACLE) $(BIN)/python -m tests.golden

clean:
	rm -rf build $(VENV) $$(git ls-files --others --ignored --exclude-standard | grep '\.so$$')
