#!/bin/sh
# Runs every fuzz target for FUZZ_SECONDS seconds, on the stable toolchain.
set -eu
seconds=${FUZZ_SECONDS:-300}
export BOLERO_RANDOM_TEST_TIME_MS=$((seconds * 1000))
run() { cargo test --locked --release --quiet --package "$@" -- --test-threads 2; }
run frond-xfer --test fuzz
run frond-repo --test fuzz_delta
run frond-repo --test fuzz_manifest
run frond-repo --test fuzz_table
run frond-sync --lib http::fuzz
run frond-sync --lib nats::fuzz
