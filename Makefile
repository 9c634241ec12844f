# make demo: judge the examples.  make test: every test that fits continuous integration.
# make test TORCH=torch==VERSION takes a given torch (a CPU build, say) instead of the newest.
PYTHON ?= python3
TORCH ?= torch
PYTEST_ARGS ?=

.PHONY: demo test test-long lint clean

demo: .venv-demo/bin/fauxto
	.venv-demo/bin/fauxto scan examples/; code=$$?; test $$code -le 1   # 1 says that some declare to be made by AI

.venv-demo/bin/fauxto: pyproject.toml
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/pip install --quiet .

test: .venv-test/.installed
	.venv-test/bin/python -m pytest $(PYTEST_ARGS)

test-long: .venv-test/.installed
	.venv-test/bin/python -m pytest -m "long or not long" $(PYTEST_ARGS)

lint: .venv-test/.installed
	.venv-test/bin/ruff check .
	.venv-test/bin/ruff format --check .
	.venv-test/bin/mypy

.venv-test/.installed: pyproject.toml
	$(PYTHON) -m venv .venv-test
	.venv-test/bin/pip install --quiet "$(TORCH)"
	.venv-test/bin/pip install --quiet --editable ".[dev]"
	touch $@

clean:
	rm -rf .venv-demo .venv-test dist build
