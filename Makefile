# Everything works on a fresh machine with Python, make and a C compiler: targets make their own environment.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
ORACLE ?= python3.8
THREADS ?= 2
# ccache, where there is one: a second build of the same sources takes seconds.
ifneq ($(shell command -v ccache 2>/dev/null),)
ifeq ($(origin CC),default)
export CC = ccache cc
endif
endif

.PHONY: build debug test check-debug demo lint types annotate bench peers golden clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.ready: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade \
		'setuptools>=77' 'cython>=3.1' 'numpy>=2.0' pytest hypothesis
	touch $@

$(VENV)/.tools: pyproject.toml | $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check ruff mypy
	touch $@

build: $(VENV)/.ready
	$(BIN)/python setup.py --quiet build_ext --inplace

# Bounds of every memoryview checked. The next `make build` makes a release again.
debug: $(VENV)/.ready
	CYEXEC_DEBUG=1 $(BIN)/python setup.py --quiet build_ext --inplace

test: build
	$(BIN)/python -m pytest tests

# A step cannot raise: what a check finds is an "unraisable" exception, and an error here.
check-debug: debug
	$(BIN)/python -m pytest -W error::pytest.PytestUnraisableExceptionWarning tests/kernels tests/ops

demo: build
	$(BIN)/python -m cyexec.demo

lint: $(VENV)/.tools
	$(BIN)/ruff check .

types: $(VENV)/.tools
	$(BIN)/mypy

annotate: $(VENV)/.ready
	$(BIN)/cython -a -3 -I cyexec/kernels $(FILE)

# ONLY="inference chain": those sections (or cases), and README.md stays as it is.
bench: build
	$(BIN)/python -m benchmarks --threads $(THREADS) $(if $(ONLY),--only $(ONLY),--readme)

# Environments of those that cyexec is compared with; each needs its own Python packages, MXNet a Python 3.8.
peers:
	for name in mxnet onnx torch; do benchmarks/peers/$$name.sh .peers/$$name || echo "no $$name"; done

golden: build
	ORACLE=$(ORACLE) $(BIN)/python -m tests.golden

clean:
	rm -rf build $(VENV) $$(git ls-files --others --ignored --exclude-standard | grep '\.so$$')
