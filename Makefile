# Everything a clone needs: `make demo`, `make serve`, `make test`, `make lint`, `make bench`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input

.PHONY: setup demo serve test lint bench gallery clean

setup: $(VENV)/.installed

# torch comes first and by itself: its exact build may be one that only pip can see.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "comfy-nodes needs Python 3.11 or newer; set PYTHON=/path/to/it")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install -q $$(grep '^torch==' constraints.txt) -c constraints.txt
	$(PIP) install -q -c constraints.txt -e '.[host,server,dev]'
	touch $@

demo: setup
	$(BIN)/comfy-nodes run examples/demo.json --models-dir models --output-dir output

# The official graph editor comes as a package of its own, which only this target needs.
serve: $(VENV)/.installed-ui
	@mkdir -p input && cp -n examples/input/* input/ 2> /dev/null || true  # what the gallery's templates load
	$(BIN)/comfy-nodes serve --models-dir models

$(VENV)/.installed-ui: $(VENV)/.installed
	$(PIP) install -q -c constraints.txt -e '.[host,ui]'
	touch $@

test: setup
	$(BIN)/python -m pytest -q

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/check_repository.py

bench: setup
	$(BIN)/python -m benchmarks

# docs/gallery.md and its pictures, and the templates of the editor's gallery, from the examples.
gallery: setup
	$(BIN)/python -m tools.gallery
	$(BIN)/python -m tools.templates

clean:
	rm -rf build output .pytest_cache .mypy_cache .ruff_cache
