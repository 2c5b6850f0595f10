# Runs everything in its own virtual environment, .venv. Wants Python with pip.

PYTHON ?= python3
PYTEST_ARGS ?=

VENV := .venv
PY := $(VENV)/bin/python
# What pip has put into .venv: a stamp file each, older than what it came from.
VENV_MADE := $(VENV)/.made
RUN_INSTALLED := $(VENV)/.installed-run
TEST_INSTALLED := $(VENV)/.installed-test
DEV_INSTALLED := $(VENV)/.installed-dev
DOCS_INSTALLED := $(VENV)/.installed-docs
RELEASE_INSTALLED := $(VENV)/.installed-release
QUALITY_INSTALLED := $(VENV)/.installed-quality
PACKAGING := setup.py tf_diffseg/version.py

TWO_AT_A_TIME := -n 2 --dist=worksteal

PIP := $(PY) -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: demo test test-all test-oldest coverage mutants lint format docs build-files \
  hub-model package audit clean distclean help

demo: $(RUN_INSTALLED)  ## Train, evaluate and draw a small model, into demo/
	$(PY) -m experiments.demo --output_dir=demo

test: $(TEST_INSTALLED)  ## Run all but the slow tests; PYTEST_ARGS="-k name" picks some
	$(PY) -m pytest $(TWO_AT_A_TIME) -m "not slow" $(PYTEST_ARGS)

test-all: $(TEST_INSTALLED)  ## Run the slow tests as well
	$(PY) -m pytest $(TWO_AT_A_TIME) $(PYTEST_ARGS)

# The other end of setup.py: the oldest Python and the oldest of all that it names, in an
# environment of its own. `make test` has the newest.
PYTHON_OLDEST ?= python3.10
test-oldest:  ## Run the tests on the oldest versions that setup.py allows
	@command -v $(PYTHON_OLDEST) >/dev/null || { echo "error: no $(PYTHON_OLDEST);" \
	  "name another by PYTHON_OLDEST=..." >&2; exit 1; }
	$(PYTHON_OLDEST) .ci/oldest.py > .oldest.txt
	$(MAKE) .venv-oldest/.made VENV=.venv-oldest PYTHON=$(PYTHON_OLDEST)
# The pip that comes with an old Python takes hours to see which versions go together.
	.venv-oldest/bin/python -m pip install -q --upgrade pip
	PIP_CONSTRAINT=$(CURDIR)/.oldest.txt $(MAKE) test VENV=.venv-oldest \
	  PYTHON=$(PYTHON_OLDEST)

coverage: $(QUALITY_INSTALLED)  ## Run the tests and report which lines and branches they reach
	$(PY) -m pytest $(TWO_AT_A_TIME) -m "not slow" --cov --cov-report=term:skip-covered \
	  --cov-report=html:build/coverage $(PYTEST_ARGS)

# Each mutant is a change of one operator or number: a test should fail. diffusion, losses,
# metrics, preprocessing; or a file, MUTATED=training/noisy_mask.py
# MUTANT_TESTS=tests/training/noisy_mask_test.py.
MUTATED ?= losses
MUTANT_TESTS ?= tests/$(MUTATED) tests/addons
mutants: $(QUALITY_INSTALLED)  ## Change MUTATED=losses in small ways, list what no test notices
	$(PY) .ci/mutants.py $(MUTATED) $(MUTANT_TESTS)

lint: $(DEV_INSTALLED)  ## Check style and types
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

format: $(DEV_INSTALLED)  ## Put the code in the project's format
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

docs: $(DOCS_INSTALLED)  ## Build the documentation, build/docs/index.html
	$(PY) -m sphinx -b html -W --keep-going -q docs build/docs

build-files:  ## Write the Bazel BUILD files from the imports
	$(PYTHON) -m tests.architecture.build_files --write

# The model that comes with the package: a run, its evaluation, and a scan to verify.
HUB_MODEL := experiments/hub/hippocampus
hub-model: $(RUN_INSTALLED)  ## Ship RUN, scored in RESULTS, as the model hippocampus; SCANS verify it
	@test -n "$(RUN)" && test -n "$(RESULTS)" && test -n "$(SCANS)" || \
	  { echo "usage: make hub-model RUN=... RESULTS=... SCANS='.../imagesTs/*.nii.gz'" >&2; exit 1; }
	rm -rf build/hub
	$(PY) -m experiments.export --model_dir=$(RUN) --export_dir=build/hub/hippocampus \
	  --results_dir=$(RESULTS) --weights=float16 --noserver_files \
	  --verify='$(SCANS)' --attribution="Trained on Task04 Hippocampus of the \
	Medical Segmentation Decathlon (Antonelli et al. 2022, arXiv 2106.05735), images \
	and labels by Vanderbilt University Medical Center, CC BY-SA 4.0"
	rm -rf $(HUB_MODEL)/[0-9]*
	mv build/hub/hippocampus/1 $(HUB_MODEL)/1
	@du -sh $(HUB_MODEL)

package: $(RELEASE_INSTALLED)  ## Build the wheel and the source distribution into dist/
	rm -rf dist build/lib build/bdist* *.egg-info
	$(PY) -m build --outdir dist
	$(PY) -m twine check --strict dist/*

audit: $(RELEASE_INSTALLED)  ## Look for known vulnerabilities in what is installed
	$(PY) -m pip_audit --local --skip-editable

clean:  ## Remove the demo's output, caches and build products
	rm -rf demo build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -path ./$(VENV) -prune -o -type d -name __pycache__ -print \
	  | xargs rm -rf

distclean: clean  ## Remove .venv as well
	rm -rf $(VENV) $(VENV)-bootstrap .venv-oldest .oldest.txt

help:  ## Show this list
	@echo "usage: make TARGET [PYTHON=python3.12]"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 16

# A .venv that works is kept, also one that make did not set up. Without ensurepip
# (Debian's bare python3) `-m venv` fails, and virtualenv brings its own pip; it goes
# into a folder, which pip allows even where the system's Python is write-protected.
$(VENV_MADE):
	@$(PYTHON) -c 'import sys; \
	  ok = (3, 10) <= sys.version_info[:2] <= (3, 13); \
	  found = ".".join(map(str, sys.version_info[:3])); \
	  sys.exit(None if ok else "error: tf_diffseg needs Python 3.10 to 3.13, " \
	    "but $(PYTHON) is " + found + "; try make PYTHON=python3.12")' \
	  || { command -v "$(PYTHON)" >/dev/null 2>&1 || echo "error: no $(PYTHON)" \
	    "on PATH; tf_diffseg needs Python 3.10 to 3.13" >&2; exit 1; }
	@if $(PY) -m pip --version >/dev/null 2>&1; then :; \
	elif rm -rf $(VENV); $(PYTHON) -m venv $(VENV) >/dev/null 2>&1; then :; \
	else \
	  echo "$(PYTHON) has no working venv module: using virtualenv"; \
	  rm -rf $(VENV) $(VENV)-bootstrap; \
	  $(PYTHON) -m pip install -q --target=$(VENV)-bootstrap virtualenv && \
	  PYTHONPATH=$(VENV)-bootstrap $(PYTHON) -m virtualenv -q $(VENV) || { \
	    echo "error: cannot make $(VENV) with $(PYTHON): install its venv module" \
	      "(Debian: python3-venv) or pip" >&2; exit 1; }; \
	  rm -rf $(VENV)-bootstrap; \
	fi
	@touch $@

$(RUN_INSTALLED): $(VENV_MADE) $(PACKAGING)
	$(PIP) install -q -e .
	@touch $@

$(TEST_INSTALLED): $(VENV_MADE) $(PACKAGING)
	$(PIP) install -q -e '.[test]'
	@touch $@ $(RUN_INSTALLED)

$(DEV_INSTALLED): $(VENV_MADE) $(PACKAGING)
	$(PIP) install -q -e '.[test,dev]'
	@touch $@ $(RUN_INSTALLED) $(TEST_INSTALLED)

$(DOCS_INSTALLED): $(VENV_MADE) $(PACKAGING)
	$(PIP) install -q -e '.[docs]'
	@touch $@ $(RUN_INSTALLED)

$(QUALITY_INSTALLED): $(VENV_MADE) $(PACKAGING)
	$(PIP) install -q -e '.[test,quality]'
	@touch $@ $(RUN_INSTALLED) $(TEST_INSTALLED)

$(RELEASE_INSTALLED): $(VENV_MADE) $(PACKAGING)
	$(PIP) install -q -e '.[release]'
	@touch $@ $(RUN_INSTALLED)
