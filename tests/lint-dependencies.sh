#!/bin/sh
# The dependency rules of ARCHITECTURE.md, which the compiler does not check.
set -eu
fail() { echo "dependency rule broken: $1" >&2; exit 1; }

tree() { cargo tree --locked --edges normal --prefix none --package "$@" | sed 's/ .*//' | sort -u; }

for package in frond-xfer frond-repo frond-dst; do
    for banned in tokio hyper async-nats opentelemetry; do
        ! tree "$package" | grep -qx "$banned" || fail "$package depends on $banned"
    done
done
! tree frond-sync --no-default-features | grep -qx tokio || fail "the core of frond-sync depends on tokio"
! tree frond-xfer | grep -qx rusqlite || fail "frond-xfer depends on rusqlite"
! tree frond-leaf | grep -qxE 'libz-sys|libz-ng-sys|openssl-sys|aws-lc-rs' || fail "a C library besides SQLite and libdeflate crept in"
# Three breaking releases a year stay in one crate.
named=$(grep -rlE 'opentelemetry' --include=Cargo.toml --include='*.rs' . | grep -vE '^\./(Cargo.toml|telemetry/|target/)' || true)
[ -z "$named" ] || fail "OpenTelemetry is named outside telemetry: $named"
echo "dependency rules hold"
