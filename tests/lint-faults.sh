#!/bin/sh
# Fault and observer lines are at most 2 % of the core of sync: the code that is simulated is the code that runs.
#
# Counted are whole statements: from a line that names a fault or an observer to where the brackets close that it opens (the
# fields of an event, the body of a function, the block of an `if` which only a fault takes), with the comments before it; and
# an item whose comment says that it is for the observer. Where a fault is one reason of several for an `if`, its block is there
# without it, and only the condition counts. --list shows what is counted.
#
# Not counted are buggify.rs and observer.rs: they name what can be chosen and told, with the traits of who chooses and who is
# told. Of what sessions run, nothing is in them but the two that do nothing, NoFaults and NoObserver, and the sums of
# RoundStats, which are a result of every session. Nor are watched.rs and trace.rs, which belong to those who carry messages.
# What is to stay small is how much of the code that they all run is there for the simulator and for observers.
set -eu
core=$(find sync/src -name '*.rs' ! -path '*/tests*' ! -path '*/http/*' ! -path '*/client/*' ! -path '*/nats/*' \
    ! -name tests.rs ! -name testing.rs ! -name convergence.rs ! -name fuzz.rs \
    ! -path sync/src/http.rs ! -path sync/src/nats.rs ! -path sync/src/client.rs ! -path sync/src/transport.rs \
    ! -path sync/src/buggify.rs ! -path sync/src/observer.rs ! -path sync/src/watched.rs ! -path sync/src/trace.rs)
# Without the tests at the end of a file.
lines() { for file in $core; do sed "/^#\[cfg(test)\]/,\$d; s|^|$file:|" "$file"; done; }
# Each line: after '+ ' if it is for faults or observers, after '- ' if not.
count() {
    lines | awk '
        function put(sign) { print sign " " file ":" text }
        function put_comments(sign,  at) {
            for (at = 1; at <= comments; at++) print sign " " comment[at]
            comments = 0
        }
        { before = file; file = $0; sub(/:.*/, "", file); text = substr($0, length(file) + 2) }
        file != before { put_comments("-"); depth = 0; is_item = 0 }
        depth == 0 && text ~ /^ *\/\// {
            if (text ~ /^ *\/\/[\/!] ```/) is_example = !is_example
            if (!is_example && text ~ /for the observer|is to tell the observer/) is_item = 1
            comment[++comments] = file ":" text
            next
        }
        depth == 0 && text == "" { put_comments("-"); put("-"); next }
        {
            is_marked = depth > 0 || is_item || text ~ /fires\(|Site::|[Bb]uggify|[Oo]bserver|fn tell|\.tell\(|Event::/
            put_comments(is_marked ? "+" : "-")
            put(is_marked ? "+" : "-")
            if (!is_marked) next
            is_one_of_several = depth == 0 && text ~ /(&&|\|\|) /
            opened = gsub(/[({[]/, "", text); closed = gsub(/[)}\]]/, "", text)
            depth = is_one_of_several ? 0 : depth + opened - closed
            if (depth < 0) depth = 0
            # Attributes stand before their item.
            if (depth == 0 && text !~ /^ *#/) is_item = 0
        }
        END { put_comments("-") }'
}
[ "$*" = --list ] && { count | sed -n 's/^+ //p'; exit 0; }
all=$(count | wc -l)
marked=$(count | grep -c '^+')
[ $((marked * 50)) -le "$all" ] || { echo "$marked of $all lines are for faults and observers: more than 2 %" >&2; exit 1; }
echo "$marked of $all lines are for faults and observers"
