# Gatehouse: build, check, test, measure.
#
#   make build   one static binary, ./gatehouse
#   make test    everything: unit, request, race, both databases, browser
#   make check   gofmt, vet, staticcheck, import rules, generated files
#   make bench   the table of ratios against anchors and peers

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build
GO ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: build check test test-e2e tools bench

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o gatehouse .

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
	(cd e2e && $(GO) test -timeout 10m ./...)

bench: tools
	@set -- $$(sh internal/testkit/mariadb.sh start); \
	trap "sh internal/testkit/mariadb.sh stop '$$1'" EXIT; export GATEHOUSE_TEST_MYSQL=$$2; \
	(cd bench && $(GO) run .)
