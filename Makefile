# The project's commands. `make demo` and `make test` need nothing before them.
PYTHON ?= python3
CLUSTER ?= local
VENV := .venv
TRAINER_VENV := .venv-trainer
TGI_READER_VENV := .venv-tgi
LLAMA_CPP_VENV := .venv-llama-cpp
MLFLOW_VENV := .venv-mlflow
UI_VENV := .venv-ui
CLUSTER_TOOL := $(PYTHON) tests/cluster/cluster.py
WITH_CLUSTER := exports="$$($(CLUSTER_TOOL) env)" && eval "$$exports" &&
APT := apt-get -q -o Acquire::Retries=5
PYTEST := $(VENV)/bin/python -m pytest
# two workers: what one waits for (a pod, a server) leaves the cores to the other
PARALLEL := -n 2 --dist loadfile
export CLUSTER
export PYTHONPATH := $(CURDIR)/operator:$(CURDIR)/trainer_image

.PHONY: demo test check up down purge images status logs env generate lock format test-unit test-trainer test-contract test-ui test-integration test-e2e bench-trainer bench-gateway clean

demo: $(VENV)/.ready up ## Tunes and serves a small assistant on the cluster and asks it questions
	$(WITH_CLUSTER) $(VENV)/bin/python examples/quickstart/demo.py

test: check test-trainer test-ui up test-contract test-integration test-e2e ## Every test
	@echo "all suites passed"

check: $(VENV)/.ready ## Format, lint, types, layers, generated files, unit tests
	$(VENV)/bin/ruff format --check --quiet .
	$(VENV)/bin/ruff check --quiet .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache
	$(VENV)/bin/python -m banktuner_api.crdgen --check
	$(PYTEST) -q tests/unit

up: ## Starts the cluster (CLUSTER=local, kind or current), builds the images, installs the operator
	$(CLUSTER_TOOL) up

down: ## Stops the local cluster and removes what it made
	$(CLUSTER_TOOL) down

purge: ## Also removes built tools and images
	$(CLUSTER_TOOL) down --purge

images: ## Builds what changed, imports it and upgrades the operator
	$(CLUSTER_TOOL) images

status: ## Shows the cluster's processes and node
	@$(CLUSTER_TOOL) status

logs: ## Prints the end of a log: make logs NAME=kubelet
	@$(CLUSTER_TOOL) logs $(NAME)

env: ## Prints the shell exports to use the cluster
	@$(CLUSTER_TOOL) env

test-trainer: $(TRAINER_VENV)/.ready $(TGI_READER_VENV)/.ready $(LLAMA_CPP_VENV)/.ready $(MLFLOW_VENV)/.ready
	OMP_WAIT_POLICY=passive $(TRAINER_VENV)/bin/python -m pytest -q -n 2 tests/trainer

test-ui: $(UI_VENV)/.ready
	$(UI_VENV)/bin/python -m pytest -q tests/ui

test-contract: $(VENV)/.ready $(TRAINER_VENV)/.ready
	$(WITH_CLUSTER) $(PYTEST) -q $(PARALLEL) tests/contract tests/gateway tests/chart

test-integration: $(VENV)/.ready
	$(WITH_CLUSTER) $(PYTEST) -q $(PARALLEL) tests/integration

test-e2e: $(VENV)/.ready
	$(WITH_CLUSTER) $(PYTEST) -q $(PARALLEL) tests/e2e
	$(WITH_CLUSTER) $(PYTEST) -q tests/fault

bench-trainer: $(TRAINER_VENV)/.ready ## Measures the trainer: build/bench/trainer.json (ONLY=name for one row, DEVICE=cpu or cuda)
	rm -f $(if $(ONLY),,build/bench/trainer.json)
	$(TRAINER_VENV)/bin/python -m bench.trainer $(addprefix --only ,$(ONLY)) $(addprefix --device ,$(DEVICE))

bench-gateway: $(VENV)/.ready $(TRAINER_VENV)/.ready ## Measures the gateway: build/bench/gateway.json (ONLY=name for one row)
	rm -f $(if $(ONLY),,build/bench/gateway.json)
	$(VENV)/bin/python -m bench.gateway $(addprefix --only ,$(ONLY))

generate: $(VENV)/.ready ## Writes crds/ and the chart's copies from operator/banktuner_api
	$(VENV)/bin/python -m banktuner_api.crdgen

format: $(VENV)/.ready
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

lock: $(VENV)/.ready ## Resolves requirements/*.in anew
	UV=$(VENV)/bin/uv sh requirements/lock.sh

clean: ## Removes what the commands above wrote into the checkout
	rm -rf $(VENV) $(TRAINER_VENV) $(TGI_READER_VENV) $(LLAMA_CPP_VENV) $(MLFLOW_VENV) $(UI_VENV) build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(VENV)/.ready: requirements/uv.txt requirements/dev.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --require-hashes -r requirements/uv.txt
	$(VENV)/bin/uv pip sync --quiet --python $(VENV) --require-hashes requirements/dev.txt
	touch $@

# An environment of its own in the target's folder, with what the first prerequisite locks.
define environment
$(VENV)/bin/uv venv --quiet --clear --python $(VENV)/bin/python $(@D)
$(VENV)/bin/uv pip sync --quiet --python $(@D) --require-hashes $<
touch $@
endef

$(TRAINER_VENV)/.ready: requirements/test-trainer.txt | $(VENV)/.ready
	$(environment)

$(TGI_READER_VENV)/.ready: requirements/tgi-reader.txt | $(VENV)/.ready
	$(environment)

$(MLFLOW_VENV)/.ready: requirements/mlflow.txt | $(VENV)/.ready
	$(environment)

# llama.cpp has no wheel: it is compiled once, about two minutes on two cores, and kept in uv's cache.
$(LLAMA_CPP_VENV)/.ready: requirements/llama-cpp.txt requirements/llama-cpp-build.txt requirements/llama-cpp.cmake | $(VENV)/.ready
	command -v g++ >/dev/null || { $(APT) update && $(APT) install -y --no-install-recommends g++; }
	$(VENV)/bin/uv venv --quiet --clear --python $(VENV)/bin/python $(LLAMA_CPP_VENV)
	CMAKE_ARGS="-DCMAKE_PROJECT_INCLUDE=$(CURDIR)/requirements/llama-cpp.cmake" $(VENV)/bin/uv pip sync --quiet \
		--python $(LLAMA_CPP_VENV) --require-hashes --build-constraints requirements/llama-cpp-build.txt requirements/llama-cpp.txt
	touch $@

# The chat page is tested in a real browser, which comes from Debian.
$(UI_VENV)/.ready: requirements/test-ui.txt | $(VENV)/.ready
	command -v chromedriver >/dev/null || { $(APT) update && \
		$(APT) install -y --no-install-recommends chromium chromium-driver fonts-dejavu-core; }
	$(environment)
