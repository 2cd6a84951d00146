# Needs Python 3.11+, git and make. All work happens in .venv; `make` alone lists the targets.

.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

bin := .venv/bin
pytest := $(bin)/python -m pytest -n auto --dist loadgroup -rR
lock := $(bin)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url --no-emit-find-links

# The first Python that is new enough and can make virtual environments.
find_python = for python in python3.11 python3 python3.12 python3.13 python3.14; do \
	$$python -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
	python=; done; \
	[ -n "$$python" ] || { echo 'Python 3.11 or newer with venv is needed (Debian: python3-venv).' >&2; exit 1; }

# A copy of the lock kept in .venv says that it is installed. flock makes the second of two first
# starts wait for the first one's installation instead of writing into it.
flock := $(if $(shell command -v flock),flock .venv)
installed = @cmp -s requirements/$(1).txt .venv/$(1).txt || \
	{ mkdir -p .venv && $(flock) $(MAKE) install-$(1); }

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1	\2/p' Makefile

.PHONY: run
run: ## Serve the board (HEPHAESTUS_PORT, HEPHAESTUS_DATA_DIR)
	$(call installed,runtime)
	@exec $(bin)/python manage.py run

.PHONY: test
test: dev debian lint ## Run everything that CI runs
	@$(bin)/python -m tests.services -- $(MAKE) suites

# The whole suite on SQLite, then again on PostgreSQL what can differ there.
.PHONY: suites
suites:
	$(pytest)
	[ -z "$$TEST_POSTGRES_URL" ] || DATABASE_URL="$$TEST_POSTGRES_URL" $(pytest) -m 'not browser'

.PHONY: lint
lint: export HEPHAESTUS_DATA_DIR := $(CURDIR)/.venv/lint
lint: dev ## Check style, types, imports, templates and migrations
	$(bin)/ruff check
	$(bin)/ruff format --check
	find $(wildcard templates) -path 'templates/*.html' -exec $(bin)/djade --target-version 5.2 --check {} +
	$(bin)/lint-imports --no-logo
	$(bin)/mypy
	$(bin)/python manage.py makemigrations --check --dry-run

.PHONY: format
format: dev ## Format code and templates
	$(bin)/ruff check --fix-only
	$(bin)/ruff format
	-find $(wildcard templates) -path 'templates/*.html' -exec $(bin)/djade --target-version 5.2 {} +

.PHONY: bench
bench: dev ## Measure speed (ARGS="…")
	@$(bin)/python -m tests.bench $(ARGS)

.PHONY: race
race: dev ## Let many agents write at once, and check that nothing is lost (ARGS="--database postgres")
	@$(bin)/python -m tests.race race $(ARGS)

.PHONY: fleet
fleet: dev ## Let a hundred agents finish a graph of tickets, some of them dying (ARGS="--database postgres")
	@$(bin)/python -m tests.race fleet $(ARGS)

.PHONY: conformance
conformance: dev ## Hold the MCP bridge against the official suite and clients (needs npm)
	@sh tests/mcp_bridge/conformance.sh $(ARGS)

.PHONY: lock
lock: dev ## Renew the locks from requirements/*.in (ARGS=--upgrade)
	$(lock) requirements/runtime.in --output-file requirements/runtime.txt $(ARGS)
	$(lock) requirements/dev.in --output-file requirements/dev.txt --constraints requirements/runtime.txt $(ARGS)

.PHONY: dev
dev: ## Install what tests and checks need into .venv
	$(call installed,dev)

.PHONY: install-runtime install-dev
install-runtime install-dev: install-%:
	@cmp -s requirements/$*.txt .venv/$*.txt && exit; \
	echo 'Installing requirements/$*.txt into .venv …' >&2; \
	[ -x $(bin)/python ] || { $(find_python); $$python -m venv --clear .venv; } && \
	$(bin)/python -m pip install -qq --no-cache-dir --disable-pip-version-check \
		--require-hashes -r requirements/$*.txt && \
	cp requirements/$*.txt .venv/$*.txt

# The tests start their own servers: policy-rc.d keeps the packages from starting theirs.
debian_packages := postgresql redis-server chromium fonts-liberation
policy := /usr/sbin/policy-rc.d
.PHONY: debian
debian:
	@command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] || exit 0; \
	[ "$$(dpkg-query -W -f '$${Status}\n' $(debian_packages) 2>/dev/null | grep -c 'ok installed')" \
		-lt $(words $(debian_packages)) ] || exit 0; \
	echo 'Installing $(debian_packages) …' >&2; \
	[ -e $(policy) ] || { printf '#!/bin/sh\nexit 101\n' >$(policy); chmod +x $(policy); trap 'rm -f $(policy)' EXIT INT TERM; }; \
	export DEBIAN_FRONTEND=noninteractive; \
	apt-get -qq update || true; \
	apt-get -qq -o DPkg::Lock::Timeout=600 install -y --no-install-recommends \
		$(debian_packages) </dev/null >/dev/null || [ -z "$$CI" ]

.PHONY: clean
clean: ## Remove .venv and caches; the data folder stays
	rm -rf .venv .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
