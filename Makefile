# make quickstart   everything from nothing: .venv, the package, the embedded benchmark, its table and pictures
# make test         the tests, as tox and CI run them
# make lint         ruff, mypy, import contracts
# make docs         the documentation as a site, docs/_build/html; a warning is an error
# A second call installs only what pyproject.toml or constraints.txt changed.

PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt
# extra arguments, e.g.  make test PYTEST="-m 'not slow'"
PYTEST ?=

.DEFAULT_GOAL := help
.PHONY: help quickstart test lint docs

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

quickstart: .venv/.installed
	$(BIN)/vla-rl-bench run suites/quickstart.yaml
	@echo "Table:    runs/quickstart/table.md  runs/quickstart/table.tex"
	@echo "Pictures: runs/quickstart/curves.png  runs/quickstart/before_after.gif"

test: .venv/.installed-dev
	$(BIN)/python -m pytest $(PYTEST)

lint: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/.installed-dev
	$(BIN)/python -m sphinx -W --keep-going -q -d docs/_build/doctrees docs docs/_build/html
	@echo "Site:     docs/_build/html/index.html"

.venv/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$(PYTHON) is too old: Python 3.11 or newer is needed. Run: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/.installed: .venv/.created pyproject.toml constraints.txt
	@echo "Installing into .venv (PyTorch is most of it) ..."
	@$(INSTALL) -e .
	@touch $@

.venv/.installed-dev: .venv/.created pyproject.toml constraints.txt plugins/behaviors/pyproject.toml \
    plugins/libero/pyproject.toml plugins/metaworld/pyproject.toml plugins/openvla_oft/pyproject.toml \
    plugins/real_robot/pyproject.toml plugins/robotwin/pyproject.toml
	@echo "Installing the package and its development tools into .venv ..."
	@$(INSTALL) -e ".[dev]" -e plugins/behaviors -e "plugins/libero[data]" -e plugins/metaworld -e plugins/openvla_oft \
	  -e plugins/real_robot -e plugins/robotwin
	@touch $@ .venv/.installed
