PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
TEST := $(RUN) -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder --hypothesis-seed=1

# Matrices here are small: on several threads they wait for one another longer than they work.
export OMP_NUM_THREADS ?= 1

.PHONY: help book lint lint-web lint-python quick fast test lab notebooks slides pdf course publish bench lock lowest mutants faults grading beyond clean

help: ## say what each target does
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

book: $(INSTALLED) ## build the book as HTML (installs what it needs into .venv first)
	@$(RUN) scripts/build_book.py

lint:
	@$(MAKE) --no-print-directory --jobs=2 lint-web lint-python

lint-web: $(INSTALLED)
	@! $(RUN) scripts/javascript.py || (cd web && npm run --silent lint && npm run --silent test)

lint-python: $(INSTALLED)
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy --num-workers 2

quick: lint-web ## check a change in less than a minute: style, types, the fast tests
	@$(MAKE) --no-print-directory --jobs=2 lint-python fast

fast: $(INSTALLED)
	@$(TEST) -o addopts='--doctest-modules --strict-markers' -m 'not slow' tests dlnlib

test: book lint ## run everything: unit tests, doctests, every notebook, the built pages; or one chapter (CHAPTER=plateaus)
	@$(TEST) -p tests.replay $(if $(CHAPTER),chapters/$(CHAPTER).ipynb tests/test_book.py -k $(CHAPTER))

lab: $(INSTALLED) ## open the chapters in JupyterLab
	@-$(RUN) scripts/javascript.py
	@$(RUN) -m jupyterlab chapters

notebooks: $(INSTALLED) ## re-execute the notebooks in place and store their text outputs
	@$(RUN) scripts/notebooks.py chapters

slides: book ## make a deck of slides from each chapter
	@$(RUN) scripts/slides.py

pdf: book ## print the whole book as a PDF (needs Chromium); without solutions if SOLUTIONS=no
	@$(RUN) scripts/pdf.py

course: book ## make what a teacher hands out: problem sets of twelve weeks, with and without answers, slides, a handout
	@-$(RUN) scripts/slides.py
	@$(RUN) scripts/course.py

publish: book ## put the built pages on the branch gh-pages of origin, which GitHub serves, and Binder and Colab open
	@$(RUN) scripts/publish.py

bench: book ## measure how fast everything is (some minutes), for the page "How fast"
	@$(RUN) benchmarks/run.py

lock: ## pin every package that requirements.txt draws in, as it is found now, in constraints.txt
	@rm -rf _build/lock && $(PYTHON) -m venv _build/lock
	@_build/lock/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	@head -n 2 constraints.txt > _build/lock/constraints.txt
	@_build/lock/bin/python -m pip freeze --exclude-editable | grep -v '^torch==' >> _build/lock/constraints.txt
	@mv _build/lock/constraints.txt constraints.txt && rm -rf _build/lock

lowest: ## run the unit tests with the oldest packages that pyproject.toml allows
	@rm -rf _build/lowest && $(PYTHON) -m venv _build/lowest
	@$(PYTHON) audits/lowest.py > _build/lowest/requirements.txt
	@_build/lowest/bin/python -m pip install --quiet --disable-pip-version-check --requirement _build/lowest/requirements.txt
	@PYTHONPATH=$(CURDIR) _build/lowest/bin/python -m pytest -p no:cacheprovider -o addopts=--doctest-modules \
	    $(addprefix --ignore=,$(shell grep -lE '^(from|import) (bs4|nbval|pages|playwright)' tests/*.py)) \
	    --ignore-glob='tests/test_b[eu]*' --ignore=tests/test_live.py --ignore=tests/test_front_figure.py tests dlnlib

mutants: $(INSTALLED) ## break the core in thousands of small ways, list the breaks that no unit test sees (an hour or more; resumes)
	@$(RUN) -m pip install --quiet --disable-pip-version-check mutmut==3.8.1
	@$(RUN) audits/mutants.py run
	@$(RUN) audits/mutants.py results
	@$(RUN) audits/mutants.py score

faults: $(INSTALLED) ## plant ten slips for each chapter, one at a time, and ask which its cells catch (half an hour or more)
	@$(RUN) audits/faults.py $(CHAPTERS)

grading: course ## hand in right and wrong answers for each week, and let nbgrader mark them (a minute a week; WEEKS="week01 week02" for some)
	@$(RUN) -m pip install --quiet --disable-pip-version-check nbgrader==0.9.6 --constraint constraints.txt
	@$(RUN) audits/grading.py $(WEEKS)

beyond: $(INSTALLED) ## try the sources with mystmd, for the page "Beyond Jupyter Book 1"
	@$(RUN) -m pip install --quiet --disable-pip-version-check mystmd==1.11.0
	@$(RUN) audits/beyond.py

clean: ## remove everything that was built or installed
	rm -rf _build $(VENV) web/node_modules mutants dlnlib.egg-info .pytest_cache .ruff_cache chapters/.ruff_cache .mypy_cache .hypothesis

$(INSTALLED): requirements.txt constraints.txt pyproject.toml
	@command -v $(PYTHON) > /dev/null || { echo "$(PYTHON) was not found; this book needs Python 3.11 or newer (set PYTHON=...)."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "This book needs Python 3.11 or newer; $(PYTHON) is %s (set PYTHON=...)." % sys.version.split()[0] or 0)'
	@echo "Installing what requirements.txt names into $(VENV) (some minutes the first time)"
	@$(PYTHON) -m venv $(VENV)
	@$(RUN) -m pip install --quiet --disable-pip-version-check --requirement requirements.txt --constraint constraints.txt
	@touch $@
