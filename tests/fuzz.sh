#!/bin/sh
# Runs every fuzz target for FUZZ_SECONDS seconds, on the stable toolchain.
set -eu
seconds=${FUZZ_SECONDS:-300}
export BOLERO_RANDOM_TEST_TIME_MS=$((seconds * 1000))
run() { cargo test --locked --release --quiet --package "$1" --test "$2" -- --test-threads 2; }
run frond-xfer fuzz
run frond-repo fuzz_delta
run frond-repo fuzz_manifest
run frond-repo fuzz_table
run frond-sync fuzz_url
