# What is done with this tree. `make` lists it.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
IMAGE   ?= coingraph:$(VERSION)

LINT_VERSION := v2.15.0
LINT := bin/tools/golangci-lint-$(LINT_VERSION)/golangci-lint

# The loader of the Compose Specification's own Go library: it checks a file without a Docker engine.
COMPOSE := go run github.com/compose-spec/compose-go/v2/cmd@v2.16.2

FUZZTIME ?= 10s

# Postgres, Redis and a Redis Cluster for the command behind --: from the environment, Docker, or private processes.
WITH_SERVERS := scripts/test

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: build ## Run the whole product with nothing installed and no network
	bin/coingraph demo

# The pages that come from npm. Where there is no npm the program is built without them, and says so when asked for one.
PAGES := web/assets/.built
$(PAGES): web/ui/package-lock.json web/ui/package.json web/ui/build.mjs $(wildcard web/ui/src/*)
	@if command -v npm >/dev/null; then \
		cd web/ui && npm ci --prefer-offline --no-audit --no-fund --loglevel=error && npm run --silent build && touch ../assets/.built; \
	else echo 'no npm here: building without /docs, /redoc and /playground'; fi

.PHONY: build
build: $(PAGES) ## Build the static binary bin/coingraph, with the web pages where npm is
	CGO_ENABLED=0 go build -trimpath -buildvcs=false \
		-ldflags '-s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)' -o bin/coingraph ./cmd/coingraph

.PHONY: test
test: ## Run all tests with the race detector, on real servers
	$(WITH_SERVERS) go test -race -timeout 30m ./...

.PHONY: lint
lint: $(LINT) ## Run the linters of .golangci.yml
	$(LINT) run ./...

# Its directory carries the version, so that a new one is built once, and only once.
$(LINT):
	GOBIN=$(abspath $(@D)) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)

.PHONY: generate
generate: ## Regenerate the GraphQL server and the references in docs/
	go tool gqlgen generate
	go generate ./...

# Compared with the tree as it was, not with the last commit: so it also answers while something is being changed.
.PHONY: generate-check
generate-check: ## Fail when generated files are not what make generate makes
	@tree() { git ls-files -z --cached --others --exclude-standard | sort -z | xargs -0 sha256sum 2>/dev/null || true; }; \
	before=$$(tree); $(MAKE) --no-print-directory generate; \
	stale=$$(diff <(echo "$$before") <(tree) | awk '/^[<>]/ { print $$3 }' | sort -u || true); \
	if [ -n "$$stale" ]; then echo "stale, commit what make generate made: $$stale"; exit 1; fi

# Package by package, because go test fuzzes one target at a time.
.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (10s)
	@go test -list '^Fuzz' ./... | awk '/^Fuzz/ { f[n++] = $$1 } /^ok/ { for (i = 0; i < n; i++) print $$2, f[i]; n = 0 }' | \
	while read -r package target; do \
		echo "$$package $$target"; \
		go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$package" </dev/null; \
	done

.PHONY: bench
bench: build ## Measure what an answer costs the server, beside servers that do the least that can be done
	$(WITH_SERVERS) go run ./cmd/bench

.PHONY: bench-hops
bench-hops: ## Run the Go benchmarks: each hop of the walks, with its allocations
	$(WITH_SERVERS) go test -run '^$$' -bench . -benchmem ./...

.PHONY: growth
growth: build ## Measure how the cost grows, and draw docs/performance
	$(WITH_SERVERS) go run ./cmd/bench growth

.PHONY: replay
replay: ## Compare the calls to the provider with the least that can be, on a trace of a day
	$(WITH_SERVERS) go run ./cmd/replay

.PHONY: soak
soak: ## Run the heavy tests (tag soak) and fuzz for longer
	$(WITH_SERVERS) go test -race -count 1 -timeout 60m -tags soak -run Soak ./...
	$(MAKE) fuzz FUZZTIME=2m

.PHONY: compose-check
compose-check: ## Check docker-compose.yml against the Compose Specification
	@sed -E 's/\$$\{[A-Z_]+:\?[^}]*\}/x/g; s/\$$\{[A-Z_]+:-([^}]*)\}/\1/g' docker-compose.yml | $(COMPOSE) - >/dev/null
	@# The loader's command does not pass the environment on, so here every required variable is missing.
	@errors=$$($(COMPOSE) docker-compose.yml 2>&1 || true); for name in API_KEYS POSTGRES_PASSWORD; do \
		grep -q "required variable $$name is missing" <<<"$$errors" || { echo "docker-compose.yml does not insist on $$name: $$errors"; exit 1; }; \
	done
	@echo 'docker-compose.yml: valid, and insists on its secrets'

.PHONY: rules-check
rules-check: ## Check and test the alert rules with promtool
	scripts/promtool check config deploy/prometheus/prometheus.yml
	scripts/promtool test rules deploy/prometheus/rules_test.yml

.PHONY: image
image: ## Build the container image
	docker build --build-arg VERSION='$(VERSION)' --build-arg COMMIT='$(COMMIT)' --tag '$(IMAGE)' .

.PHONY: clean
clean: ## Remove what was built, except the tools
	rm -rf bin/coingraph web/assets/*.gz $(PAGES)
	go clean -testcache
