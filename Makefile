# What a change must pass, and what helps in making it. Only Go is needed, save for interop and bench.

GO          ?= go
FUZZTIME    ?= 10s
BENCH_TOOLS ?= ../shared/bench
PREFIX      ?= /usr/local
STATICCHECK  = honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK  = golang.org/x/vuln/cmd/govulncheck@v1.8.0

.PHONY: all build test lint vuln fuzz interop peers bench install clean

all: lint test build

build: ## bin/posthouse
	$(GO) build -trimpath -o bin/posthouse ./cmd/posthouse

# The race detector makes a power loss ten times as slow, so 200 are looked at with it, and then all 1,000 without.
test: ## everything that needs only Go
	$(GO) test -race -timeout 5m ./...
	$(GO) test -timeout 5m -run 'Power|Sync' ./queue/pebbledb

lint: ## gofmt, vet, staticcheck, with and without the interop tests
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "not gofmt-ed:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags interop ./...
	$(GO) run $(STATICCHECK) -tags interop ./...

vuln: ## known vulnerabilities; needs the database of vuln.go.dev
	$(GO) run $(GOVULNCHECK) ./...

fuzz: ## every fuzz target for FUZZTIME
	GO="$(GO)" test/fuzz.sh $(FUZZTIME)

peers: ## install the real peers that interop talks to (Debian, as root)
	test/peers.sh

interop: peers ## test against Postfix, Dovecot, postgrey, swaks, Mail::DKIM, Mail::SPF, OpenDKIM, systemd, Rspamd, ClamAV, SpamAssassin, NGINX, HAProxy
	PATH="$$PATH:/usr/sbin:/sbin" $(GO) test -count 1 -timeout 15m -tags interop ./test/... ./dovecot/... ./greylist ./delegation ./spf ./milter ./upstream ./balancer/proxy ./balancer/health ./authres ./policy/...

bench: build ## beside Postfix, PostSRSd, NGINX and HAProxy, and what the door costs; see docs/benchmarks.md
	BENCH_TOOLS="$(BENCH_TOOLS)" test/bench/run.sh
	BENCH_TOOLS="$(BENCH_TOOLS)" test/bench/filters.sh
	BENCH_TOOLS="$(BENCH_TOOLS)" test/bench/srs.sh
	BENCH_TOOLS="$(BENCH_TOOLS)" test/bench/balancer.sh

install: ## what build made, the unit files and their users; builds nothing, since root may have no Go
	install -D -m 755 bin/posthouse $(DESTDIR)$(PREFIX)/bin/posthouse
	install -D -m 644 -t $(DESTDIR)/etc/systemd/system systemd/*.service systemd/*.socket
	install -D -m 644 -t $(DESTDIR)/etc/systemd/system/posthouse@balancer.service.d systemd/posthouse@balancer.service.d/*.conf
	install -D -m 644 systemd/posthouse.sysusers $(DESTDIR)/usr/lib/sysusers.d/posthouse.conf
	[ -n "$(DESTDIR)" ] || systemd-sysusers posthouse.conf

clean:
	rm -rf bin
