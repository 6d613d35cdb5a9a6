# What can be done here; `make` alone lists it.
#
# make run needs Go and make; everything else says what it needs, and make setup
# installs it.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
# The stages share two processors, ports and bin/.
.NOTPARALLEL:
.DEFAULT_GOAL := help

# Without a tag the version is empty, and the program takes the one that the go
# command notes.
VERSION := $(patsubst v%,%,$(shell git describe --tags --dirty 2>/dev/null))
COMMIT  := $(shell git rev-parse --short=12 HEAD 2>/dev/null)
LDFLAGS := -X main.version=$(VERSION) -X main.commit=$(COMMIT)

# How long each fuzz target runs, in the form of the go command.
FUZZTIME ?= 5s
BENCH    ?= .
# Flags of contrib/peers, such as '-peers ws-emit,floor -rounds 1'.
PEERS    ?=

# Every module but the interop tests, which have stages of their own: they
# need the programs in bin/.
MODULES := $(filter-out ./contrib/interop,$(patsubst %/go.mod,%,$(shell find . -name go.mod -not -path '*/node_modules/*' -not -path './.git/*' | sort)))
TESTLOG := $(CURDIR)/bin/tools/testlog
# in_modules ARGUMENTS: go test in each module; a failure does not keep the
# others from being tested.
in_modules = failed=0; for m in $(MODULES); do (cd $$m && go test -json $(1) | $(TESTLOG)) || failed=1; done; exit $$failed
# interop ARGUMENTS: the black-box tests, with the programs of bin/. They are
# not cached: the go command does not see that the programs have changed.
interop = cd contrib/interop && WS_EMIT_BIN=$(CURDIR)/bin/ws-emit WS_EMIT_CONFORMANCE_BIN=$(CURDIR)/bin/conformance \
	WS_EMIT_TIME_BIN=$(CURDIR)/bin/time WS_EMIT_DIR2WEB_BIN=$(CURDIR)/bin/dir2web WS_EMIT_PROGRESS_BIN=$(CURDIR)/bin/progress \
	go test -json -count=1 $(1) . | $(TESTLOG)

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-20s %s\n", $$1, $$2}'

.PHONY: build
build: client programs ## bin/ws-emit, with the browser client where npm is there

.PHONY: programs
programs:
	@mkdir -p bin
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ws-emit ./cmd/ws-emit

.PHONY: client
client: ## the browser client for the next build, from its npm package
	@contrib/setup/client.sh

.PHONY: example
example:
	@mkdir -p bin
	cd examples && CGO_ENABLED=0 go build -trimpath -o ../bin/ ./time ./dir2web ./progress

.PHONY: run
run: build example ## the server on :8899 and an example page on http://localhost:7788, until Ctrl-C
	@contrib/setup/run.sh

.PHONY: setup
setup: ## install what the tests need where it is missing, and say what was done
	@contrib/setup/setup.sh

.PHONY: test
test: ## everything: setup, then all of the stages below; the whole check
	@contrib/setup/stages.sh setup build lint unit race fuzz interop conformance browser

.PHONY: lint
lint: ## gofmt, go vet and staticcheck, for every module
	@contrib/setup/lint.sh

$(TESTLOG): contrib/interop/testlog/main.go
	@cd contrib/interop && go build -o $@ ./testlog

.PHONY: unit
unit: $(TESTLOG) ## the tests of every module
	@$(call in_modules,-timeout 10m ./...)
	@cd contrib/interop && go test -json ./testlog | $(TESTLOG)

.PHONY: race
race: $(TESTLOG) ## the same with the race detector
	@$(call in_modules,-race -timeout 15m ./...)

.PHONY: fuzz
fuzz: ## each fuzz target for FUZZTIME (5s)
	@contrib/setup/fuzz.sh $(FUZZTIME)

.PHONY: interop
interop: build $(TESTLOG) ## stock clients and publishers, and curl, against bin/ws-emit
	@$(call interop,-timeout 10m -skip '^Test(EngineIO|SocketIO|Browser)')

.PHONY: conformance
conformance: $(TESTLOG) ## the protocol documents; with SUITES=folder the public suites too
	@mkdir -p bin
	@go build -trimpath -o bin/conformance ./contrib/conformance
	@$(call interop,-timeout 5m -run '^Test(EngineIO|SocketIO)')
	@PROGRAM=$(CURDIR)/bin/conformance contrib/interop/conformance.sh

.PHONY: browser
browser: build example $(TESTLOG) ## the example pages in Chromium; screenshots in contrib/interop/artifacts
	@$(call interop,-timeout 5m -run '^TestBrowser')

.PHONY: bench
bench: ## the benchmarks of every module (BENCH=regexp)
	@failed=0; for m in $(MODULES); do (cd $$m && go test -run '^$$' -bench '$(BENCH)' -benchmem ./...) || failed=1; done; exit $$failed

.PHONY: peers
peers: ## ws-emit beside other servers under the same load: table, targets, picture (PEERS=flags)
	@mkdir -p bin
	@cd contrib/peers && go build -o ../../bin/compare . && ../../bin/compare $(PEERS)
