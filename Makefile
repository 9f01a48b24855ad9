# SPDX-License-Identifier: GPL-3.0-or-later
# `make` alone lists the targets.
PYTHON ?=
N ?= 100
SEED ?= 1
BIN := .venv/bin
export PYTHON

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 14

setup: ## install what is needed (the other targets do it by themselves)
	@scripts/setup.sh

demo: setup ## render a small animation through the whole path on this computer; frames in out/
	@scripts/demo.sh

test: setup blenders wheels ## run all tests
	@$(BIN)/pytest -n 4 --dist worksteal

test-unit: setup ## run the quick tests only
	@$(BIN)/pytest -n 2 tests/unit

test-gui: setup blenders blender-gui ## run the tests by mouse and keyboard in a Blender with a window (needs root, Debian)
	@$(BIN)/pytest -n 2 tests/gui

campaign: setup ## run N jobs through random faults, from seed SEED on (make campaign N=500 SEED=1)
	@$(BIN)/python -m tests.campaign $(N) $(SEED)

lint: setup ## check style: Python, shell, formatting
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@git ls-files '*.sh' .ci/run | xargs $(BIN)/shellcheck

types: setup ## check types
	@$(BIN)/mypy

bench: setup blenders blender-gui ## measure against plain Blender, side by side (as root, Debian)
	@$(BIN)/python -m bench

bench-transfer: setup ## measure sending and fetching against scp, rsync and tar (as root also from 40 ms away)
	@$(BIN)/python -m bench transfer
	@$(BIN)/python -m bench bundle

smoke-aws: setup ## run a short list of checks against your real AWS account (asks first, costs under 5 cents)
	@$(BIN)/python -m tests.smoke_aws

build: setup blender ## build the Blender extension for each platform, in dist/
	@$(BIN)/python -m scripts.extension build

repo: setup blender ## build the extension and a repository of it to be served as plain files, in dist/repo/
	@$(BIN)/python -m scripts.extension repo

lock: setup ## renew requirements.lock and the wheels of the extension from pyproject.toml (needs uv)
	@uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --extra dev pyproject.toml -o requirements.lock
	@$(BIN)/python -m scripts.extension lock

clean: ## remove what the targets made here (not the caches in ~/.cache)
	@rm -rf .venv demo out build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache

# What goes into the extension: a test has no time to wait for downloads.
wheels: setup
	@$(BIN)/python -m scripts.extension fetch

# Blender's own tool that builds extensions lies in its wheel.
blender:
	@scripts/get-blender.sh 5.0.1

blenders: ## fetch the Blenders that tests and rehearsals render with: 4.2, 4.5 and 5.0
	@scripts/get-blender.sh 4.2.23 && scripts/get-blender.sh 4.5.15 && scripts/get-blender.sh 5.0.1

# What the tests with a window need: Blender 4.3.2 itself, and its series for the stand-in's machines to render with.
blender-gui:
	@scripts/get-blender.sh 4.3.0 && scripts/get-blender-gui.sh

.PHONY: help setup demo campaign test test-unit test-gui lint types bench bench-transfer build repo smoke-aws lock clean wheels blender blenders blender-gui
.DEFAULT_GOAL := help
