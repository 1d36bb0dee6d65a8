# Gatehouse: build, check, test, measure.
#
#   make build   one static binary, ./gatehouse
#   make test    everything: unit, request, race, both databases, browser
#   make check   gofmt, vet, staticcheck, import rules, generated files
#   make prove   the proofs of docs/proofs in their long form
#   make fuzz    every fuzz target for FUZZTIME (10m), with a table of what each did
#   make scan    ffuf, wapiti and sqlmap against a running server, on both databases
#   make bench   the table of ratios against anchors and peers

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build
GO ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: build check test test-e2e tools prove fuzz scan bench

# Without Gin's MessagePack, which nothing here speaks: 6 MB of the program.
build:
	CGO_ENABLED=0 $(GO) build -trimpath -tags nomsgpack -ldflags '-s -w' -o gatehouse .

# The tests start servers of their own; this installs the programs they need.
tools:
	@bash internal/testkit/install.sh

check:
	@unformatted=$$(git ls-files -z '*.go' | xargs -0 gofmt -l); \
	if [ -n "$$unformatted" ]; then echo "not gofmt'ed:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) test -count=1 -run 'Doors|Generated|Example' ./server ./config
	cd e2e && $(GO) vet ./...
	cd bench && $(GO) vet ./...

test: tools
	@set -- $$(sh internal/testkit/mariadb.sh start); \
	trap "sh internal/testkit/mariadb.sh stop '$$1'" EXIT; export GATEHOUSE_TEST_MYSQL=$$2; \
	$(GO) test -race -timeout 20m ./... && \
	GATEHOUSE_TEST_NODES=2 $(GO) test -vet=off -timeout 10m -skip 'TestNaughty|$(ONEFILE)' $(REQUESTS) && \
	(cd e2e && $(GO) test -timeout 10m ./...)

# Everything that docs/proofs promises, shown on running servers, about an hour
# long; the short forms are a part of make test. Without Galera it fails at once,
# because a proof that silently did not run proves nothing. However it ends, also
# by Ctrl-C, the report says what was found, missed and missing until then.
# PROVE_RUN is a pattern of tests for a part of it.
PROVE_RUN ?= .
prove: tools
	@findings=$$(mktemp -d); mariadb=; cluster=; proving=; \
	finish() { \
		status=$$?; trap - INT TERM; \
		[ -z "$$proving" ] || (cd e2e && $(GO) run ./proofs/report "$$findings" ../docs/proofs/RESULTS.md) || status=1; \
		[ -z "$$mariadb" ] || sh internal/testkit/mariadb.sh stop "$$mariadb" || true; \
		[ -z "$$cluster" ] || sh internal/testkit/galera.sh stop "$$cluster" || true; \
		if [ $$status = 0 ]; then rm -rf "$$findings"; else echo "what was printed and found is in $$findings" >&2; fi; \
		exit $$status; \
	}; \
	trap finish EXIT; trap 'exit 130' INT TERM; \
	started=$$(sh internal/testkit/mariadb.sh start); mariadb=$${started%% *}; \
	export GATEHOUSE_TEST_MYSQL="$${started#* }" GATEHOUSE_PROVE=$$findings; \
	galera=$$(sh internal/testkit/galera.sh start); cluster=$${galera%% *}; export GATEHOUSE_TEST_GALERA="$${galera#* }"; \
	proving=1; failed=; \
	$(GO) test -v -count=1 -p 1 -timeout 30m -run '$(PROOFS)' ./tokens ./verify ./signin ./handlers 2>&1 | tee "$$findings/rooms.log" || failed=1; \
	GATEHOUSE_PROVE= GATEHOUSE_TEST_NODES=2 GATEHOUSE_TEST_NODES_FOUND=$$findings \
		$(GO) test -v -count=1 -p 1 -timeout 30m -skip '$(ONEFILE)' $(REQUESTS) 2>&1 | tee "$$findings/nodes.log" || failed=1; \
	(cd e2e && $(GO) test -v -count=1 -timeout 180m -run '$(PROVE_RUN)' ./proofs) 2>&1 | tee "$$findings/servers.log" || failed=1; \
	[ -z "$$failed" ]

# All request tests once more, with two servers on one MariaDB, each request at
# one of them by chance. A file of SQLite has one server.
REQUESTS := ./handlers ./verify
ONEFILE := /^sqlite$$

# The proofs that stand in the rooms; the others are in e2e/proofs.
PROOFS := ^Test(AStreamOfEndings|MutantThatReads|TheSameTraces|ModelOf|ThirtyTwoRefreshes|ARefreshOnTheOther|ClocksAMinute|ASealIsNotDelayed|AMillionEntries|ADayUnderSiege|NaughtyStringsAre|AClockThatJumps)

# Two at once; FUZZ_RECORD gets the table.
FUZZTIME ?= 10m
FUZZ_RECORD ?= fuzz.md
fuzz:
	bash internal/testkit/fuzz.sh "$(FUZZ_RECORD)" "$(FUZZTIME)"
	@cat "$(FUZZ_RECORD)"

# The scanners of Debian against a running server: docs/proofs/SCANNERS.md.
scan:
	@set -- $$(sh internal/testkit/mariadb.sh start); \
	trap "sh internal/testkit/mariadb.sh stop '$$1'" EXIT; \
	bash e2e/proofs/scanners.sh scan-sqlite && mariadb -u root -S "$$1/sock" -e 'CREATE DATABASE gatehouse_scan' && \
	bash e2e/proofs/scanners.sh scan-mysql "mysql://$$2gatehouse_scan"

bench: tools
	@set -- $$(sh internal/testkit/mariadb.sh start); \
	trap "sh internal/testkit/mariadb.sh stop '$$1'" EXIT; export GATEHOUSE_TEST_MYSQL=$$2; \
	(cd bench && $(GO) run .)
