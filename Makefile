# make demo    set everything up and complete real code      make check    linters, types, borders
# make test    set everything up and run the tests           make help     the rest
#
# Everything lives in .venv and in the model cache (`midspan models` says where). What is done
# already is not done again, and then needs no network.

PYTHON ?= python3
VENV ?= .venv
# The CPU build where the package index offers one under this version; README.md has other builds.
ifeq ($(shell uname -s),Linux)
TORCH ?= torch==2.13.0
else
TORCH ?= torch
endif

export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PIP_NO_INPUT = 1

bin = $(VENV)/bin
install = $(bin)/python -m pip install

.DEFAULT_GOAL := help
.PHONY: help demo test test-vscode vsix quick check check-clients compile-kernels lint format pull
.PHONY: bench-quality bench-latency clean

help:
	@echo "make demo           set everything up and complete real code"
	@echo "make test           set everything up and run the tests, real Neovim's included"
	@echo "make test-vscode    the VS Code extension in real VS Code (Node 20, Chromium)"
	@echo "make vsix           package the VS Code extension (Node 20)"
	@echo "make quick          the tests that need neither weights nor processes"
	@echo "make check          ruff, mypy and the import contracts"
	@echo "make check-clients  types, linters and formatting of the editors' clients (Node 20)"
	@echo "make compile-kernels  GPU kernels ahead of time: registers, spills, shared memory"
	@echo "make format         let ruff rewrite what it can"
	@echo "make bench-quality  exact match and pass rate (BENCH='...' adds arguments)"
	@echo "make bench-latency  time to a suggestion (BENCH='...' adds arguments)"
	@echo "make clean          remove $(VENV) and what tools cached; weights stay"

demo: $(VENV)/.engine-installed
	@$(bin)/midspan pull
	@$(bin)/midspan demo

test: $(VENV)/.tests-installed
	@$(bin)/midspan pull
	$(bin)/python -m pytest -q --durations=10

quick: $(VENV)/.tests-installed
	$(bin)/python -m pytest -q -m "not slow"

check: $(VENV)/.tests-installed
	$(bin)/ruff check $(sources)
	$(bin)/ruff format --check $(sources)
	$(bin)/mypy
	$(bin)/lint-imports

neovim = editor-clients/neovim
vscode = editor-clients/vscode
npm_install = npm install --no-save --no-audit --no-fund --loglevel=error

check-clients:
	cd $(neovim) && $(npm_install) && npm run --silent check
	cd $(vscode) && $(npm_install) && npm run --silent check

# For sm_80, 89, 90 and 100, without a GPU; fails where a kernel spills or needs more than it did.
compile-kernels: $(VENV)/.tests-installed
	$(bin)/python -m midspan_kernels.compile

vsix: $(VENV)/.engine-installed
	@rm -f $(vscode)/server/*.whl
	$(bin)/python -m pip wheel -q --no-deps -w $(vscode)/server .
	cd $(vscode) && $(npm_install) && npm run package

# What it takes beside Node: Chromium, and on Debian libkrb5-dev libx11-dev libxkbfile-dev
# libsecret-1-dev python3 make g++ pkg-config to install code-server.
test-vscode: $(VENV)/.tests-installed
	@$(bin)/midspan pull
	cd $(vscode) && $(npm_install) && npm test
	$(vscode)/e2e/run.sh

# Not the examples: they are unfinished on purpose.
sources = $(wildcard server engine kernels tests bench)

lint: check

format: $(VENV)/.tests-installed
	$(bin)/ruff check --fix $(sources)
	$(bin)/ruff format $(sources)

pull: $(VENV)/.engine-installed
	@$(bin)/midspan pull

bench-quality bench-latency: bench-%: $(VENV)/.tests-installed
	@$(bin)/midspan pull
	$(bin)/python bench/$*.py $(BENCH)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/.engine-installed: pyproject.toml | $(VENV)/.created
	$(install) -e '.[engine]'
	@touch $@

# torch first and by itself: what the extra would pick may be a build for GPUs of several gigabytes.
$(VENV)/.tests-installed: pyproject.toml $(VENV)/.engine-installed
	$(install) $(TORCH)
	$(install) -e '.[test,bench]'
	@touch $@

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Midspan needs Python 3.11 or later, and '$(PYTHON)' is" \
	         "$$($(PYTHON) --version 2>&1). Say which to use: make demo PYTHON=python3.12" >&2; \
	    exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@
