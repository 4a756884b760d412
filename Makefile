# A few words each; `make` alone lists them. .venv is made on demand and follows the committed locks.
.DEFAULT_GOAL := help
.PHONY: help demo test check lint bench bench-privacy bench-spark images cluster clustertest kind locks crds clean debian node
.DELETE_ON_ERROR:
.NOTPARALLEL:

bin := .venv/bin

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 24

demo: .venv/demo .venv/project ## five hospitals train one private model; dashboard on 8081, MLflow on 5000
	@$(bin)/consilia run examples/breast-cancer.yaml

test: debian node lint ## lint, types and all tests, with a real Prosody, PostgreSQL, MLflow, Chromium and Kubernetes
	$(bin)/python -m pytest -m "not cluster"
	$(bin)/python -m pytest -m cluster

clustertest: debian node ## the tests of a cluster: kind's, or one of this machine's own programs
	$(bin)/python -m pytest -m cluster

check: lint ## in a few minutes: lint, types and the tests that need no other program
	$(bin)/python -m pytest -q -m "not real and not cluster"

lint: .venv/dev .venv/project
	$(bin)/ruff check --quiet
	$(bin)/ruff format --check --quiet
	$(bin)/mypy
	$(bin)/lint-imports --no-logo

bench: .venv/dev .venv/project debian ## this project, a floor and Flower, side by side
	$(bin)/python -m bench

bench-privacy: .venv/dev .venv/project ## accuracy at epsilon 1, 2, 4, 8 and without, over 40 seeds; what noise costs
	$(bin)/python -m bench.privacy

bench-spark: .venv/dev .venv/project debian ## a step in Spark beside a pass of MLlib's, 10 million rows; ROWS=200000 for fewer
	$(bin)/python -m bench.spark $(if $(ROWS),--rows $(ROWS))

images: ## the container images, with Docker or buildah; NAMES="agent broker" for some
	setup/images $(NAMES)

cluster: .venv/dev .venv/project ## a Kubernetes of one node on this machine, without Docker, with the example; DOWN=1 ends it
	@setup/debian cluster
	@setup/cluster node $(if $(DOWN),down)

kind: ## the same in Docker, with kind
	@setup/cluster kind $(if $(DOWN),down)

locks: .venv/dev ## compile the locks from pyproject.toml; UPGRADE=--upgrade takes newer versions
	setup/locks $(UPGRADE)

crds: .venv/dev .venv/project ## write the resources' definitions from core/consilia/spec.py, for crds/ and the chart
	setup/crds

clean: ## remove .venv and all that was generated
	rm -rf .venv dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

debian:
	@setup/debian

# Where this machine can have a cluster; elsewhere it says why its tests are skipped.
node: .venv/dev .venv/project
	@setup/node

$(bin)/python:
	@setup/venv

# The development lock holds all of the demo's: after `make test`, `make demo` finds nothing to do.
.venv/dev: locks/dev.txt $(bin)/python
	@setup/install locks/dev.txt
	@touch .venv/dev .venv/demo

.venv/demo: locks/demo.txt $(bin)/python
	@setup/install locks/demo.txt
	@touch .venv/demo

# The project itself, in place. Nothing is fetched for it: its build tools are in either lock.
.venv/project: pyproject.toml $(bin)/python
	@$(bin)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch .venv/project
