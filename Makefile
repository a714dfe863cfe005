# make demo and make test do everything on a machine with Python 3.11 or later, pip and make.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
CONSTRAINTS ?= requirements/constraints.txt
VENV ?= .venv
NIGHTLY = .venv-nightly
BIN = $(VENV)/bin
INSTALL = $(BIN)/python -m pip install -q -c $(CONSTRAINTS)
USER_SCRIPT = tests/typed/user_script.py

.PHONY: demo test test-slow test-oldest test-nightly lint floors docs bench bench-attacks \
	bench-certificates bench-recipes release-check reproduce reproduce-small clean help

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 20

demo: $(VENV)/.demo ## Train plain and regularised networks, attack them, draw robustness_curve.png
	$(BIN)/python -m specreg_sklearn

test: $(VENV)/.test ## Run the tests
	$(BIN)/python -m pytest -n 2 -p no:cacheprovider

test-slow: $(VENV)/.test ## Run the slow tests; SPECREG_DATA names the folder with larger data
	$(BIN)/python -m pytest -m slow -n 2 --dist worksteal -p no:cacheprovider

test-nightly: ## Run the tests with development versions, from the index NIGHTLY_INDEX
	@test -n "$(NIGHTLY_INDEX)" || \
		{ echo "Name a package index with: make test-nightly NIGHTLY_INDEX=..."; exit 1; }
	$(MAKE) $(NIGHTLY)/.test VENV=$(NIGHTLY)
	$(NIGHTLY)/bin/python -m pip install -q -U --pre --extra-index-url "$(NIGHTLY_INDEX)" \
		numpy scipy scikit-learn
	$(NIGHTLY)/bin/python -m pytest -n 2 -p no:cacheprovider

test-oldest: ## Run the tests with the oldest supported scikit-learn
	$(MAKE) test VENV=.venv-oldest CONSTRAINTS=requirements/constraints-oldest.txt

lint: $(VENV)/.lint ## Check style, types, a user's view of the types, and the floors of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --strict --follow-imports=silent $(USER_SCRIPT)
	$(BIN)/pyright --pythonpath $(BIN)/python $(USER_SCRIPT)
	$(BIN)/lint-imports
	$(BIN)/python tools/count_any.py --most 150

release-check: | $(BIN)/python ## Build from a clean clone and use the result; FULL=1 runs all tests of the sdist
	$(BIN)/python tools/release_check.py --constraints $(abspath $(CONSTRAINTS)) $(if $(FULL),--full)

docs: $(VENV)/.docs ## Build the site in docs/_build/html
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

floors: | $(BIN)/python ## Draw the picture of the floors from the imports
	$(BIN)/python -m tools.draw_floors

bench: $(VENV)/.test ## Print the benchmark ratios
	$(BIN)/python -m benchmarks.training

bench-attacks: $(VENV)/.bench ## Compare attacks with ART and foolbox, write the table of the docs
	$(BIN)/python -m benchmarks.attacks --rst docs/benchmarks_table.inc

bench-certificates: $(VENV)/.test ## Measure certificates and hunt for violations, write the table of the docs
	$(BIN)/python -m benchmarks.certificates --rst docs/certificates_table.inc

bench-recipes: $(VENV)/.test ## Compare presets, sums of penalties and chosen strengths, write the tables of the docs
	$(BIN)/python -m benchmarks.recipes --rst docs

reproduce-small: $(VENV)/.test ## The paper's experiments at small scale; SPECREG_DATA as above
	$(BIN)/python -m benchmarks.reproduce --small

reproduce: $(VENV)/.test ## The same with full settings: hours, and a GPU for the residual network
	$(BIN)/python -m benchmarks.reproduce

clean: ## Remove the environments and what was built
	rm -rf .venv .venv-oldest $(NIGHTLY) docs/_build docs/gallery docs/generated

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed; name it with: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ echo "Creating $(VENV) failed; your distribution may need its python3-venv package"; exit 1; }

$(VENV)/.demo: pyproject.toml $(CONSTRAINTS) | $(BIN)/python
	$(INSTALL) -e '.[demo]'
	@touch $@

$(VENV)/.test $(VENV)/.lint $(VENV)/.docs: $(VENV)/.%: pyproject.toml $(CONSTRAINTS) | $(BIN)/python
	$(INSTALL) -e '.[$*]'
	@touch $@

# foolbox, lightgbm and xgboost serve the benchmark only: without them it says so and goes on.
$(VENV)/.bench: pyproject.toml $(CONSTRAINTS) | $(BIN)/python
	$(INSTALL) -e '.[bench]' || $(INSTALL) -e .
	@touch $@
