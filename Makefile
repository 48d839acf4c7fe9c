# Netra. `make` alone prints the targets. Needs Python 3.11, 3.12 or 3.13, and nothing else.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help install demo test coverage test-slow lint bench bench-ingest bench-lru bench-caching bench-jobs bench-demand bench-serving chaos bench-queue bench-soak bench-batch \
	test-deploy drill k8s lock lock-images lock-tools clean

BIN := .venv/bin
STAMP := .venv/.installed

# The first suitable interpreter, looked for only when it is needed; `make PYTHON=… install` says.
SUITABLE := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	if "$$p" -c "$(SUITABLE)" >/dev/null 2>&1; then echo "$$p"; break; fi; done)

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## Fill .venv with exactly what requirements.lock names (skipped when up to date)

$(STAMP): requirements.lock pyproject.toml
	@if [ -z "$(PYTHON)" ]; then \
		echo "Netra needs Python 3.11, 3.12 or 3.13 with venv (on Debian: apt install python3-venv);" \
			"none was found. Name one: make PYTHON=/path/to/python3.12 install" >&2; exit 1; fi
	@$(BIN)/python -c "$(SUITABLE)" 2>/dev/null || { \
		echo "creating .venv with $$("$(PYTHON)" --version)"; "$(PYTHON)" -m venv --clear .venv; }
	@echo "installing requirements.lock (about 1.3 GB on disk; a minute or so the first time)"
	@# The lock is whole. With dependencies pip asks for the hash of a newer coverage[toml], once there is one.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
		-r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: $(STAMP) ## Import a real workload, optimize it, print the plan, stop cleanly
	@$(BIN)/netra demo

lint: $(STAMP) ## Style, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

test: lint ## Everything that must pass: lint, then all tests
	$(BIN)/pytest

coverage: $(STAMP) ## The unit tests, and which lines they reach (build/coverage.xml)
	@mkdir -p build
	@COVERAGE_FILE=build/.coverage $(BIN)/pytest $(or $(TESTS),tests/unit) --cov=netra --cov=workers \
		--cov-report=xml:build/coverage.xml --cov-report=term:skip-covered

test-slow: $(STAMP) ## The long forms of tests that make test takes a part of
	@$(BIN)/pytest -m slow

test-deploy: $(STAMP) ## Proofs of images, charts, networks, backups, upgrades (Debian, root)
	@tests/deploy/prepare
	@$(BIN)/python -m tests.deploy.everything

k8s: $(STAMP) ## Render deploy/k8s anew from the chart
	@$(BIN)/python -m tests.deploy.chart.render

bench: $(STAMP) ## All benchmarks in one run; the last line is one JSON object
	@$(BIN)/python -m benchmarks.all

bench-ingest: $(STAMP) ## Ingest beside a bare Arrow insert of the same batches
	@$(BIN)/python -m benchmarks.ingest

bench-lru: $(STAMP) ## The LRU curve at all capacities beside a one-capacity replay
	@$(BIN)/python -m benchmarks.lru_curve

bench-caching: $(STAMP) ## The LRU curve beside a one-capacity replay; lifetimes on unseen sessions
	@$(BIN)/python -m benchmarks.caching

bench-jobs: $(STAMP) ## Latency of a one-stage job beside a bare Celery round trip
	@$(BIN)/python -m benchmarks.jobs

bench-queue: $(STAMP) ## The durable queue beside its peers: submit, latency, drain, sockets, a million rows
	@$(BIN)/python -m benchmarks.queue

bench-soak: $(STAMP) ## Ten minutes at full load: memory, descriptors and connections of every process
	@$(BIN)/python -m benchmarks.queue --soak 600

bench-batch: $(STAMP) ## A batch of 100,000 jobs: submit, follow, list, cancel, export
	@$(BIN)/python -m benchmarks.queue --batch 100000

bench-serving: $(STAMP) ## The serving simulator: its speed, and its error on real runs
	@$(BIN)/python -m benchmarks.serving

bench-demand: $(STAMP) ## Forecasts of demand and commitments beside seasonal-naive and the quantile rule
	@$(BIN)/python -m benchmarks.demand $(FILES)

chaos: $(STAMP) ## Faults in a seeded order while 1,000 jobs run; minutes. SEED=1 EACH=3, HOSTS=1: on several hosts
	@$(BIN)/python -m tests.chaos --seed $(or $(SEED),1) --jobs 1000 --each $(or $(EACH),3) \
		$(if $(HOSTS),--hosts)

drill: $(STAMP) ## The disaster drill: load, back up, lose all, restore; prints RTO and RPO (EVENTS, JOBS)
	@scripts/disaster-drill --events $(or $(EVENTS),5000000) --jobs $(or $(JOBS),100000)

# What builds the package stands in the lock too, so that everything installed has a hash.
lock: ## Resolve pyproject.toml anew into requirements.lock
	@"$(PYTHON)" -m venv build/lock && build/lock/bin/python -m pip install --quiet uv==0.13.9
	@printf 'hatchling==1.27.0\neditables\n' | build/lock/bin/uv pip compile --quiet --upgrade \
		--no-config --generate-hashes --no-emit-index-url --universal --python-version 3.11 \
		--custom-compile-command "make lock" --extra dev --extra gpu-profiles --extra otel \
		--extra backup-s3 \
		pyproject.toml - -o requirements.lock
	@echo "requirements.lock: $$(grep -c == requirements.lock) packages"
	@$(MAKE) --no-print-directory lock-images

# What an image installs: the same versions (as constraints), less what its list excludes.
IMAGE_LOCKS := compose/requirements
COMPILE := build/lock/bin/uv pip compile --quiet --no-config --generate-hashes --no-emit-index-url \
	--universal --python-version 3.11 --custom-compile-command "make lock" -c requirements.lock

lock-images: ## Resolve anew what each image installs (part of make lock)
	@test -x build/lock/bin/uv || { "$(PYTHON)" -m venv build/lock && \
		build/lock/bin/python -m pip install --quiet uv==0.13.9; }
	@echo 'hatchling==1.27.0' | $(COMPILE) - -o $(IMAGE_LOCKS)/build.lock
	@$(COMPILE) --excludes $(IMAGE_LOCKS)/backend.exclude --extra otel --extra backup-s3 \
		pyproject.toml -o $(IMAGE_LOCKS)/backend.lock
	@$(COMPILE) --excludes $(IMAGE_LOCKS)/backup.exclude --extra otel --extra backup-s3 \
		pyproject.toml -o $(IMAGE_LOCKS)/backup.lock
	@$(COMPILE) --excludes $(IMAGE_LOCKS)/worker.exclude --extra otel --extra gpu-profiles \
		pyproject.toml -o $(IMAGE_LOCKS)/worker-cpu.lock
	@$(COMPILE) --excludes $(IMAGE_LOCKS)/worker.exclude --extra otel --extra gpu-profiles \
		--extra gpu pyproject.toml -o $(IMAGE_LOCKS)/worker-gpu.lock

lock-tools: ## Resolve tests/deploy/tools/*.in anew (all, or TOOL=name)
	@"$(PYTHON)" -m venv build/lock && build/lock/bin/python -m pip install --quiet uv==0.13.9
	@cd tests/deploy/tools && for tool in $(or $(TOOL),$$(basename -s .in *.in)); do \
		$(CURDIR)/build/lock/bin/uv pip compile --quiet --upgrade --no-config --generate-hashes \
			--no-emit-index-url --python-version 3.11 --universal \
			--custom-compile-command "make lock-tools" "$$tool.in" -o "$$tool.txt"; done

clean: ## Remove .venv, builds and caches (never the data of a stack)
	rm -rf .venv build dist .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
