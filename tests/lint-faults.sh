#!/bin/sh
# Fault and observer lines are at most 2 % of the core of sync: the code that is simulated is the code that runs.
set -eu
core=$(find sync/src -name '*.rs' ! -path '*/tests*' ! -path '*/http/*' ! -path '*/client/*' ! -path '*/nats/*' \
    ! -name tests.rs ! -name testing.rs ! -name convergence.rs ! -name fuzz.rs \
    ! -path sync/src/http.rs ! -path sync/src/nats.rs ! -path sync/src/client.rs ! -path sync/src/transport.rs \
    ! -path sync/src/buggify.rs ! -path sync/src/observer.rs)
# Without the tests at the end of a file.
lines() { for file in $core; do sed '/^#\[cfg(test)\]/,$d' "$file"; done; }
all=$(lines | wc -l)
marked=$(lines | grep -cE 'fires\(|Site::|buggify|observe\(|observer|Event::')
[ $((marked * 50)) -le "$all" ] || { echo "$marked of $all lines are for faults and observers: more than 2 %" >&2; exit 1; }
echo "$marked of $all lines are for faults and observers"
