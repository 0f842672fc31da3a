PYTHON ?= python3.11
BIN := .venv/bin
STAMP := .venv/.installed
TEST_STAMP := .venv/.installed-for-tests

.PHONY: demo test test-fast lint format bench clean help

help: ## Show what can be done
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: $(STAMP) ## Watch payments being scored
	$(BIN)/ringfence demo

test: $(TEST_STAMP) lint ## Every check and every test
	$(BIN)/pytest -n auto --dist loadgroup -m "not integration"
	$(BIN)/pytest -m integration

test-fast: $(TEST_STAMP) ## The quick core, without real servers
	$(BIN)/pytest -n auto --dist loadgroup -m "not integration and not slow"

lint: $(TEST_STAMP) ## Style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(TEST_STAMP) ## Rewrite the code in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP) ## Measure the features, then the demo's stream: latency percentiles and throughput
	$(BIN)/ringfence benchmark features
	$(BIN)/ringfence demo --transactions 20000 --exit --json

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || (echo "Ringfence needs Python 3.11: make PYTHON=/path/to/python3.11" >&2; exit 1)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable '.[dev,fast,train]'
	touch $(STAMP)

$(TEST_STAMP): $(STAMP)  # PyTorch besides: only the ring network is trained with it
	$(BIN)/pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable '.[dev,fast,gnn,train]'
	touch $(TEST_STAMP)

clean: ## Remove the environment and the demo's state
	rm -rf .venv .ringfence
