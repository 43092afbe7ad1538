# Theriac's commands. `make` lists them.
#
# Everything they download or write stays in this folder: Python in .venv, npm's packages in node_modules, the
# compiler and what it compiled in .build, Ape's accounts in .ape, the development chain in .theriac, caches in .cache.

SHELL := /bin/sh
.DEFAULT_GOAL := help

# These two are needed before the virtual environment exists; tools/environment.py sets the rest.
export PIP_CACHE_DIR ?= $(CURDIR)/.cache/pip
export npm_config_cache ?= $(CURDIR)/.cache/npm
export PIP_DISABLE_PIP_VERSION_CHECK := 1

BIN := .venv/bin
NPM_BIN := node_modules/.bin

PYTHON_READY := .venv/.ready
NODE_READY := node_modules/.ready
PROOF_READY := .venv-proof/.ready
COMPILER_READY := .build/.compiler-ready
CONTRACTS_READY := .build/.contracts-ready

SOLIDITY := $(shell find contracts -name '*.sol' -not -path '*/.cache/*' 2>/dev/null)
CHAIN_FOLDER := .theriac/dev
CHAIN_ID := 8437422
# A block for each transaction, and one every so many seconds, so that the chain's clock goes on.
BLOCK_TIME ?= 5

##@ Use

.PHONY: setup
setup: $(CONTRACTS_READY) ## Set everything up in this folder; doing it again changes nothing

.PHONY: demo
demo: setup ## Run the story from founding to revoking; BUNDLE=path ENGINE=anvil|geth|kaia STORE=kubo
	@$(BIN)/ape run demo --network ethereum:local:test $(if $(BUNDLE),--bundle "$(BUNDLE)") \
		$(if $(ENGINE),--engine "$(ENGINE)") $(if $(STORE),--store "$(STORE)")

.PHONY: chain
chain: $(NODE_READY) ## Start the development chain on 127.0.0.1:8545; it keeps its state in .theriac/dev
	@mkdir -p $(CHAIN_FOLDER)
	@$(NPM_BIN)/anvil --host 127.0.0.1 --port 8545 --chain-id $(CHAIN_ID) \
		--block-time $(BLOCK_TIME) --mixed-mining --prune-history 256 --state $(CHAIN_FOLDER)/state.json --state-interval 30

.PHONY: consortium consortium-status consortium-story consortium-down
consortium: setup engine-kaia engine-kubo engine-cluster ## Bring a small consortium up on this machine: four validators, three stores, four members
	@$(BIN)/ape run consortium up

consortium-status: ## Show what of it runs, and how to talk to each organisation
	@$(BIN)/ape run consortium status

consortium-story: ## Tell a grant between two organisations' nodes, command by command
	@$(BIN)/ape run consortium story

consortium-down: ## End all of it; what the nodes hold stays in .theriac/consortium
	@$(BIN)/ape run consortium down

##@ Test

# How many processes run the tests. A variable that forbids Python to keep what it compiled, as containers set it, would
# have every one of them compile thousands of files anew.
WORKERS ?= 2
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest

.PHONY: test
test: setup ## Run the tests; ARGS=... is given to pytest
	@$(PYTEST) --numprocesses $(WORKERS) --dist worksteal $(ARGS)

.PHONY: test-engines
test-engines: setup ## Run the tests that need real engines (see engines), some minutes
	@$(PYTEST) -m "engine and not heavy" $(ARGS)

# One process: Kaia's validators are shared by all tests, and need the machine.
.PHONY: test-on
test-on: setup ## Run the tests that go through a chain on ENGINE=anvil|geth|kaia, geth unless said; ARGS="tests/medicine" for fewer
	@$(PYTEST) --engine "$(or $(ENGINE),geth)" -rs $(ARGS)

.PHONY: test-heavy
test-heavy: setup ## Run the tests that need engines, an hour, or gigabytes of data
	@$(PYTEST) -m "engine or heavy" $(ARGS)

.PHONY: gas
gas: setup ## Measure the gas of each act anew and rewrite tests/gas.json
	@THERIAC_GAS=write $(BIN)/pytest -q tests/gas

.PHONY: screenshots
screenshots: setup ## Make the pictures in docs/img anew
	@mkdir -p docs/img
	@THERIAC_SCREENSHOTS=$(CURDIR)/docs/img $(BIN)/pytest -q tests/pages -k pictures

.PHONY: bench
bench: setup ## Measure how long things take, beside what cannot be avoided, and write docs/bench; ARGS="--only sealing" for less
	@$(BIN)/python -m benches --write $(ARGS)

.PHONY: bench-compare
bench-compare: setup ## Say what got worse since BASE=figures.json of another day, by more than the noise; NEW=file compares that
	@test -n "$(BASE)" || { echo "Say what to compare with: make bench-compare BASE=figures.json of another day." >&2; exit 2; }
	@$(BIN)/python -m benches.compare "$(BASE)" $(if $(NEW),"$(NEW)")

.PHONY: engines-table
engines-table: setup ## Tell the story on every engine, compare it to the byte, and write docs/engines.md
	@$(BIN)/python -m benches.engines --write $(ARGS)

.PHONY: scale
scale: setup ## Measure a consortium of its size: gigabytes, and most of an hour; ARGS="--digests 100000" for less
	@$(BIN)/python -m benches.consortium $(ARGS)

.PHONY: linkage
linkage: setup ## Play the adversary who links pseudonyms, and write what it finds into docs/unlinkability.md
	@$(BIN)/python -m benches.linkage --write

.PHONY: throughput
throughput: setup ## Measure acts a second on four Kaia validators (see engine-kaia), and write docs/throughput.md
	@$(BIN)/python -m benches.throughput --write

##@ Prove

.PHONY: provers
provers: $(PROOF_READY) $(COMPILER_READY) ## Install slither, halmos and what medusa needs into .venv-proof

.PHONY: slither
slither: provers ## Hold what slither finds in the contracts against proof/slither.json; ARGS=--write writes docs/static-analysis.md
	@$(BIN)/python -m tools.check_slither $(ARGS)

.PHONY: prove
prove: provers ## Prove what docs/proofs.md lists, for all inputs; ARGS=--quick for what takes seconds
	@$(BIN)/python -m tools.prove $(ARGS)

.PHONY: mutants
mutants: setup ## Put small faults into the contracts and see whether a test fails: hours; ARGS=--write writes docs/mutation.md
	@$(BIN)/python -m tools.mutate_contracts $(ARGS)

.PHONY: fuzz fuzz-faults
fuzz: setup provers ## Fuzz all contracts together with forge and medusa; MINUTES=10 in all, or CALLS=20000 an engine; ARGS="--engine forge"
	@$(BIN)/python -m tools.fuzz $(if $(CALLS),--calls "$(CALLS)",--minutes "$(or $(MINUTES),10)") $(ARGS)

fuzz-faults: setup ## Plant faults into a copy of the contracts, and see that the properties find each; ARGS="--only KeysHandler"
	@$(BIN)/python -m tools.fuzz_faults $(ARGS)

.PHONY: fuzz-parsers
fuzz-parsers: setup ## Feed what takes bytes from strangers with worse, SECONDS=60 for each; ARGS="age epcis" for fewer, "--resume" to go on
	@$(BIN)/python -m tools.fuzz_parsers --seconds $(or $(SECONDS),60) $(ARGS)

.PHONY: mutants-python
mutants-python: setup ## Change Python a little, everywhere, and see whether a test notices; ARGS=rules for one piece
	@$(BIN)/python -m tools.mutants_python $(ARGS)

##@ Engines

# Each is built from a locked Go module in engines/, needs Go 1.26, and is kept in .build/engines.
.PHONY: engines engine-kubo engine-cluster engine-geth engine-kaia engine-medusa
engines: engine-kubo engine-cluster engine-geth engine-kaia ## Build all of them: some ten minutes at first
engine-kubo: ## Build Kubo, the IPFS node
	@engines/build.sh kubo
engine-cluster: ## Build IPFS Cluster, which keeps copies on several nodes
	@engines/build.sh cluster
engine-geth: ## Build geth, the everyday single node
	@engines/build.sh geth
engine-kaia: ## Build Kaia, the node of a consortium of validators
	@engines/build.sh kaia
engine-medusa: ## Build medusa, which fuzzes the contracts
	@engines/build.sh medusa

##@ Write

.PHONY: check
check: $(COMPILER_READY) ## Check format, types, contracts, layers and links
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo --cache-dir .cache/import-linter
	@$(BIN)/python -m tools.check_imports
	@$(BIN)/python -m tools.check_links
	@$(BIN)/python -m tools.check_properties
	@$(BIN)/python -m tools.check_descriptors
	@$(NPM_BIN)/prettier --log-level warn --check 'contracts/**/*.sol' 'proof/**/*.sol'
	@$(NPM_BIN)/solhint --disc --noPoster --max-warnings 0 'contracts/**/*.sol' 'proof/**/*.sol'
	@$(BIN)/python -m tools.check_contracts

.PHONY: format
format: $(COMPILER_READY) ## Format Python and Solidity
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@$(NPM_BIN)/prettier --log-level warn --write 'contracts/**/*.sol' 'proof/**/*.sol'

.PHONY: abi
abi: $(COMPILER_READY) ## Write the contracts' ABIs into theriac/abi
	@$(BIN)/python -m tools.abi

.PHONY: lock
lock: $(PYTHON_READY) ## Resolve the Python dependencies of pyproject.toml anew and lock them
	@tools/lock $(ARGS)

.PHONY: licences
licences: $(PYTHON_READY) ## List every locked package with its licence in docs/dependencies.md
	@$(BIN)/python -m tools.licences

.PHONY: audit
audit: $(PYTHON_READY) ## Ask the registries for known vulnerabilities of the locked packages, where they answer
	@$(BIN)/python -m tools.audit

.PHONY: clean
clean: ## Remove what was compiled and cached; accounts, the chain, .venv and node_modules stay
	@rm -rf .build .cache contracts/.cache theriac.egg-info
	@find theriac scripts tests tools -name __pycache__ -type d -exec rm -rf {} +

.PHONY: help
help:
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' Makefile

# Set-up in four steps, each done again only when what it is made from has changed.

.venv/bin/python:
	@python=$$(tools/find-python) && echo "Python: $$python." && "$$python" -m venv --clear .venv

$(PYTHON_READY): requirements.lock requirements-build.lock pyproject.toml tools/environment.py | .venv/bin/python
	@$(BIN)/python tools/environment.py
	@echo "Installing the locked Python packages into .venv: a minute or two at first."
	@$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements-build.lock
	@$(BIN)/python -m pip install --quiet --require-hashes --no-deps --no-build-isolation -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# The provers' own environment, which only their commands make.
$(PROOF_READY): requirements-proof.lock requirements-build.lock $(PYTHON_READY)
	@echo "Installing the locked provers into .venv-proof: a minute or two at first."
	@$(BIN)/python -m venv --clear .venv-proof
	@.venv-proof/bin/python -m pip install --quiet --require-hashes --no-deps -r requirements-build.lock
	@.venv-proof/bin/python -m pip install --quiet --require-hashes --no-deps --no-build-isolation -r requirements-proof.lock
	@touch $@

$(NODE_READY): package-lock.json package.json .npmrc
	@tools/need-node
	@echo "Installing the locked npm packages into node_modules."
	@npm ci --ignore-scripts --loglevel=error
	@touch $@

$(COMPILER_READY): ape-config.yaml tools/compiler.py tools/solc $(PYTHON_READY) $(NODE_READY)
	@mkdir -p .build
	@$(BIN)/python -m tools.compiler
	@touch $@

$(CONTRACTS_READY): $(COMPILER_READY) $(SOLIDITY) tools/dependencies.py
	@echo "Compiling the contracts: up to a minute at first."
	@$(BIN)/python -m tools.dependencies
	@$(BIN)/ape compile >.build/compile.log 2>&1 || { cat .build/compile.log >&2; exit 1; }
	@touch $@
