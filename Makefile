PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed

# Matrices here are small: on several threads they wait for one another longer than they work.
export OMP_NUM_THREADS ?= 1

.PHONY: help book test lab notebooks mutants bench clean

help: ## say what each target does
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

book: $(INSTALLED) ## build the book as HTML (installs what it needs into .venv first)
	@$(RUN) scripts/build_book.py

test: book ## run everything: unit tests, doctests, every notebook, the built pages
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy
	@$(RUN) -m pytest

lab: $(INSTALLED) ## open the chapters in JupyterLab
	@$(RUN) -m jupyterlab chapters

notebooks: $(INSTALLED) ## re-execute the notebooks in place and store their text outputs
	@$(RUN) scripts/notebooks.py chapters

bench: book ## measure how fast everything is (some minutes), for the page "How fast"
	@$(RUN) benchmarks/run.py

mutants: $(INSTALLED) ## break the core in thousands of small ways, list the breaks that no unit test sees (an hour or more; resumes)
	@$(RUN) scripts/mutants.py run
	@$(RUN) scripts/mutants.py results

clean: ## remove everything that was built or installed
	rm -rf _build $(VENV) web/node_modules mutants dlnlib.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis

$(INSTALLED): requirements.txt pyproject.toml
	@command -v $(PYTHON) > /dev/null || { echo "$(PYTHON) was not found; this book needs Python 3.11 or newer (set PYTHON=...)."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "This book needs Python 3.11 or newer; $(PYTHON) is %s (set PYTHON=...)." % sys.version.split()[0] or 0)'
	@echo "Installing what requirements.txt pins into $(VENV) (some minutes the first time)"
	@$(PYTHON) -m venv $(VENV)
	@$(RUN) -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	@touch $@
