# fastpath: what there is to run. Needs Go and Debian; `apt-get install make git`
# is all a fresh Debian 12 lacks for it, the rest installs itself.

GO          ?= go
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2
KERNEL      ?= auto
KERNELS     ?= 6.1,6.12,7.3
FACING      ?= 6.18
FUZZTIME    ?= 30s
SOAKTIME    ?= 10m
SOAKFUZZ    ?= 2m
VM          := bin/fastpath-vm
BENCH       := bin/fastpath-bench
AGENT       := bin/fastpath-agent

# The modules of this tree; makefile_test.go holds the list against the go.mod files.
MODULES := . ./bench

# Packages whose tests run on the kernels of the virtual machine, dealt out in turn to the boots of each
# kernel: this order makes them equally long. makefile_test.go holds the list against the folders.
VM_PACKAGES := ./offload ./ruleset ./internal/testns/vm/vmtest ./internal/testns ./cmd/flowctl ./conntrack \
	./examples/quickstart ./internal/kernel ./internal/nlsock ./offload/offloadtest ./ruleset/replay \
	./examples/firmware ./examples/firmware/loader ./examples/appliance ./examples/controller

PURE_PACKAGES := ./flowtable/... ./ruleset/... ./internal/nlmsg/... ./internal/nftvalue ./internal/strictjson

# Packages whose tests run for processors of another width and byte order, too, as far as they need no kernel.
ARCH          ?= 386,s390x
ARCH_PACKAGES := $(PURE_PACKAGES) ./internal/mark ./internal/runlock ./internal/nlsock ./internal/kernel ./conntrack ./offload/offloadtest ./examples/firmware

.PHONY: demo test test-quick test-arch test-bigendian survey soak bench bench-smoke bench-go bench-vm fuzz lint vm clean

# The tour. KERNEL=auto|host|6.1|6.12|7.3; auto is this host if its kernel has
# flowtables, else 6.12 in the virtual machine.
demo: vm
	@$(VM) run -kernel $(KERNEL) ./examples/quickstart

# Everything: this host, other processors, then three kernels, and on those of FACING the tests that docs/KERNELS.md names. The last lines are the
# summary. The limits leave room for a machine that is half as fast as others.
test: vm
	@$(VM) all -kernel $(KERNELS) -facing "$(FACING)" -arch $(ARCH) -pure "$(ARCH_PACKAGES)" \
		-portable "$(PURE_PACKAGES)" -timeout 30m -boot-timeout 45m $(VM_PACKAGES)

# Runs the tests that docs/KERNELS.md names on each kernel and writes there which passed where. A kernel that was not run, or that Debian no
# longer has, keeps what was found last. SURVEY=REGEX runs some of them.
survey: vm
	@$(VM) survey -kernel $(KERNELS) -run '$(SURVEY)' -timeout 30m -boot-timeout 45m docs/KERNELS.md

# What needs no virtual machine.
test-quick: vm
	@$(VM) host ./...

# What needs no kernel, in 32 bits and on a big-endian processor that qemu-user emulates. ARCH=386,arm,s390x,mips,...
test-arch: vm
	@$(VM) arch -arch $(ARCH) $(ARCH_PACKAGES)

# Images that are built here, loaded by Linux 6.1 for s390x (big-endian), and a few tests there; then the images on 6.1 for mipsel, in
# 128 MB. The processors are emulated, it takes minutes, and nothing else runs it.
test-bigendian: vm
	@$(VM) bigendian

# Long runs: tests named TestSoak..., which read their length from FASTPATH_SOAK, and every fuzz target for SOAKFUZZ.
soak: vm
	@$(MAKE) --no-print-directory fuzz FUZZTIME=$(SOAKFUZZ)
	@$(VM) test -kernel $(if $(filter auto,$(KERNEL)),6.12,$(KERNEL)) -run '^TestSoak' -env FASTPATH_SOAK=$(SOAKTIME) \
		-timeout 3h -boot-timeout 4h $(VM_PACKAGES)

# The library's own benchmarks, and then fastpath beside its peers (as root): the last lines are the goals, and it fails when
# one is short.
bench: bench-go
	cd bench && $(GO) build -o ../$(BENCH) .
	@$(BENCH)

# The watcher's half of that at a small size, whatever its goals say there: it is to build and to run.
bench-smoke:
	cd bench && $(GO) build -o ../$(BENCH) .
	@$(BENCH) -only watcher -flows 2000 -rounds 1 -readings 1 || [ $$? -eq 1 ]

bench-go:
	$(GO) test -run '^$$' -bench . -benchmem ./...

# Manager.Run on a kernel with flowtables, beside nft: the last lines are the goals, and it fails when one is short.
# KERNEL=6.1|6.12|7.3; auto is 6.12. The agent is a program of this host, static and stripped.
bench-vm: vm
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o $(AGENT) ./examples/controller
	@$(VM) run -kernel $(if $(filter auto,$(KERNEL)),6.12,$(KERNEL)) ./internal/benchvm -agent-bytes "$$(wc -c < $(AGENT))"

# Every fuzz target for FUZZTIME each. Go's fuzzer fails now and then with "context deadline exceeded" when its time is over, so each gets a second try: an
# input that really fails is written to testdata, and fails again.
fuzz:
	@targets=$$(grep -rE --include='*_test.go' '^func Fuzz' . | sed -E 's|^(.*)/[^/]*_test.go:func (Fuzz[A-Za-z0-9_]*).*|\1 \2|'); \
	all=$$(echo "$$targets" | wc -l); n=0; echo "$$targets" | while read -r dir name; do n=$$((n + 1)); echo "== $$n of $$all: $$dir $$name"; \
	for try in 1 2; do (cd "$$dir" && $(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x . </dev/null) && break; [ $$try = 1 ] || exit 1; done || exit 1; done

lint:
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "not formatted: $$unformatted"; exit 1; fi
	@set -e; for m in $(MODULES); do echo "$(GO) vet: $$m"; (cd $$m && $(GO) vet ./...); done
	GOOS=darwin $(GO) vet $(PURE_PACKAGES)
	GOARCH=arm $(GO) vet ./... # int has 32 bits, and C's char no sign
	@set -e; for m in $(MODULES); do echo "staticcheck: $$m"; (cd $$m && $(GO) run $(STATICCHECK) ./...); done

vm:
	@$(GO) build -o $(VM) ./internal/testns/vm/cmd/fastpath-vm

clean:
	rm -rf bin
