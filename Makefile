# Needs Python 3.11 or later, make and the package registry; everything else goes into .venv.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.installed

.PHONY: help install demo test torture gpu check format completions docs clean

help:  ## list what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

install: $(READY)  ## create .venv and install dnas with its development tools

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("dnas needs Python 3.11 or later, not " + sys.version.split()[0] + "; name another with PYTHON=...") if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[gis,dev]'
	touch $(READY)

demo: $(READY)  ## from synthetic scenes to a map: dnas-demo/
	$(BIN)/dnas demo dnas-demo

test: $(READY)  ## run the test suite
	$(BIN)/python -m pytest

torture: $(READY)  ## disturb commands and mutate files, many times: CASES=300 CALLS=all FILES=4000
	$(BIN)/python -m tests.torture --kills $(or $(CASES),300) --failures $(or $(CALLS),all) \
		--cuts $(or $(CASES),300) --disks $(or $(CASES),300) --workers 60 --races $(or $(RACES),80) \
		--mutations $(or $(FILES),4000)
	$(BIN)/python -m tests.torture_ranks --cases $(or $(RANKS),20)

gpu: $(READY)  ## on an NVIDIA GPU: tests marked gpu, then times and memory; eight minutes
	timeout 200 $(BIN)/python -m pytest -n 0 -m gpu tests/test_gpu.py
	timeout 280 $(BIN)/python -m benchmarks.gpu --minutes 4

check: $(READY)  ## lint, format check, types, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

format: $(READY)  ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

completions: $(READY)  ## write completions/ from the command line
	$(BIN)/python completions/generate.py

docs: $(READY)  ## build the documentation site: build/docs/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

clean:  ## remove .venv and caches
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build ./*.egg-info
