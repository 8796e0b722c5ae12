# Mallee. `make help` lists what can be made; every target installs the packages that it needs by name.

CONFIGURATION ?= debug
STATE         ?= $(CURDIR)/state
PORT_BASE     ?= 8773
BIN            = .build/$(CONFIGURATION)
VENV           = .build/venv

.DEFAULT_GOAL := help
.PHONY: help cloud down build test unit-test contract-test cloud-test i386 format check-format contracts check-contracts bench clean setup setup-test setup-bench

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  Variables: CONFIGURATION=debug|release STATE=directory PORT_BASE=port"

setup:
	@Scripts/setup.sh run

setup-test: setup
	@Scripts/setup.sh test

setup-bench: setup-test
	@Scripts/setup.sh bench

cloud: build ## Build and start a cloud on this machine; Ctrl-C stops it
	$(BIN)/mallee up --state-dir "$(STATE)" --port-base $(PORT_BASE)

down: ## Stop the cloud that `make cloud` started elsewhere
	$(BIN)/mallee down --state-dir "$(STATE)"

build: setup ## Build mallee and mallee-node
	swift build -c $(CONFIGURATION) --product mallee
	swift build -c $(CONFIGURATION) --product mallee-node

test: unit-test i386 contract-test cloud-test ## Set up, build, and run every test

unit-test: setup-test ## Unit and integration tests of every module
	swift build --build-tests
	swift test --skip-build

i386: setup-test ## Compile the node for i686 as Embedded Swift and try it
	Scripts/embedded-node.sh

contract-test: setup-test build ## Drive live node and cluster controllers from their WSDL with zeep
	$(VENV)/bin/python Tests/EndToEnd/contracts.py $(BIN)

cloud-test: setup-test build ## A whole cloud: a real instance by the aws CLI and ssh
	Tests/EndToEnd/run.sh $(BIN) $(VENV)

format: ## Format all Swift files
	swift format -i --configuration .swift-format --recursive Package.swift Sources Tests Benchmarks

check-format: ## Fail if a file is not formatted
	swift format lint --strict --configuration .swift-format --recursive Package.swift Sources Tests Benchmarks

contracts: setup ## Make the Swift of the contracts from their WSDL
	Scripts/generate-contracts.sh

check-contracts: setup ## Fail if the generated Swift is stale
	Scripts/generate-contracts.sh --check

bench: setup-bench ## Measure what the README quotes (release build)
	swift build -c release --product mallee
	swift build -c release --product mallee-node
	Benchmarks/run.sh .build/release $(VENV)

clean: ## Remove everything that was built; clouds' state stays
	rm -rf .build .build-i386
