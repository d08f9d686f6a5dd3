# A short front for Meson: `make help` lists what there is.
BUILD ?= build
MESON_FLAGS ?=
RELEASE_FLAGS = --buildtype=release -Ddebug=true -Db_lto=true -Dtests=false # what is installed and measured
SEEDS ?= 1000
EXPLORE_SEEDS ?= 10000
FUZZ_SECONDS ?= 60
.DEFAULT_GOAL := build

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

.PHONY: deps
deps: ## install the Debian packages that building needs, where they are missing
	@tools/deps.sh build

$(BUILD)/build.ninja: | deps
	@meson setup $(BUILD) $(MESON_FLAGS) >$(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log

.PHONY: build
build: $(BUILD)/build.ninja ## build everything
	@ninja -C $(BUILD) --quiet

.PHONY: run
run: $(BUILD)/build.ninja ## build and run the gateway with the embedded demo
	@ninja -C $(BUILD) --quiet src/cli/weir
	@$(BUILD)/src/cli/weir demo $(DEMO)

.PHONY: test
test: ## unit, simulation and integration tests
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory integration

.PHONY: unit
unit: ## unit and simulation tests, short explorations, examples
	@tools/deps.sh build test
	@tools/test.sh unit $(BUILD)

.PHONY: integration
integration: ## tests of the running gateway, with real processes
	@tools/deps.sh build test
	@tools/test.sh integration $(BUILD)

.PHONY: sim
sim: $(BUILD)/build.ninja ## the simulated gateway under SEEDS=1000 seeds
	@ninja -C $(BUILD) --quiet tests/sim/weir_sim
	@$(BUILD)/tests/sim/weir_sim --seeds $(or $(SEED_FIRST),1) $(SEEDS)

.PHONY: explore
explore: $(BUILD)/build.ninja ## coroutine tests and lock-free code under EXPLORE_SEEDS=10000 schedules each
	@tools/explore.sh $(BUILD) $(EXPLORE_SEEDS) $(or $(SEED_FIRST),1)

.PHONY: bench
bench: bench-proxy bench-runtime bench-http bench-offload bench-policy ## all benchmarks

.PHONY: bench-proxy
bench-proxy: ## weir beside HAProxy, nginx and a bare forwarder
	@tools/deps.sh build bench
	@$(MAKE) --no-print-directory build BUILD=build-release \
		MESON_FLAGS="$(RELEASE_FLAGS)"
	@bench/bench_proxy --build build-release $(BENCH)

.PHONY: bench-runtime
bench-runtime: ## weir's coroutines beside Go, Boost.Fiber, libuv and plain C
	@tools/deps.sh build bench
	@$(MAKE) --no-print-directory build BUILD=build-release \
		MESON_FLAGS="$(RELEASE_FLAGS)"
	@ninja -C build-release --quiet bench-runtime-programs
	@bench/bench_runtime --build build-release $(BENCH)

.PHONY: bench-offload
bench-offload: ## slow work in the request, and moved to a pool
	@tools/deps.sh build
	@$(MAKE) --no-print-directory build BUILD=build-release \
		MESON_FLAGS="$(RELEASE_FLAGS)"
	@bench/bench_offload --build build-release $(BENCH)

.PHONY: bench-http
bench-http: ## a ten-line HTTP server beside Go's
	@tools/deps.sh build bench
	@$(MAKE) --no-print-directory build BUILD=build-release \
		MESON_FLAGS="$(RELEASE_FLAGS)"
	@ninja -C build-release --quiet bench-http-programs
	@bench/bench_http --build build-release $(BENCH)

.PHONY: bench-policy
bench-policy: ## what a breaker's, a limiter's decision costs, beside Go, and what they add to a request
	@tools/deps.sh build bench
	@$(MAKE) --no-print-directory build BUILD=build-release \
		MESON_FLAGS="$(RELEASE_FLAGS)"
	@ninja -C build-release --quiet bench-policy-programs
	@bench/bench_policy --build build-release $(BENCH)

.PHONY: fuzz
fuzz: ## run each fuzzer for FUZZ_SECONDS=60
	@tools/deps.sh build test fuzz
	@tools/fuzz.sh $(FUZZ_SECONDS)

.PHONY: lint
lint: ## formatting, layers, static checks
	@tools/deps.sh build test lint
	@tools/lint.sh

.PHONY: analyze
analyze: ## the path-sensitive analyzer of clang (some minutes)
	@tools/deps.sh build test lint
	@tools/lint.sh analyze

.PHONY: format
format: ## apply .clang-format to every file
	@tools/deps.sh lint
	@find src include tests bench examples tools -name '*.c' -o -name '*.h' | xargs clang-format -i

.PHONY: asan
asan: ## unit and simulation tests under address and undefined-behaviour sanitizers
	@tools/deps.sh build test
	@tools/variant.sh asan

.PHONY: tsan
tsan: ## unit tests under the thread sanitizer
	@tools/deps.sh build test
	@tools/variant.sh tsan

.PHONY: valgrind
valgrind: ## some of the coroutines' tests under valgrind
	@tools/deps.sh build test
	@tools/variant.sh valgrind

.PHONY: clang
clang: ## unit tests, compiled by clang
	@tools/deps.sh build test fuzz
	@tools/variant.sh clang

.PHONY: cross
cross: ## base, world and runtime for aarch64, unit tests under qemu-user
	@tools/deps.sh build cross
	@tools/cross.sh

.PHONY: install
install: ## install below DESTDIR and the prefix of MESON_FLAGS (default /usr/local)
	@$(MAKE) --no-print-directory build BUILD=build-release \
		MESON_FLAGS="$(RELEASE_FLAGS) $(MESON_FLAGS)"
	@meson install -C build-release --no-rebuild

.PHONY: clean
clean: ## remove build directories
	@rm -rf build build-*
