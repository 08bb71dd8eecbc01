#!/bin/sh
# Puts known bugs in, one at a time, into a copy of the sources, and sweeps until the simulator finds each.
# usage: dst/mutants.sh [NAME...]: all of them, or those named. Each may take MUTANT_SECONDS (default 60) of sweeping.
# What is built goes to MUTANT_TARGET, by default a directory that is removed at the end.
set -eu
cd "$(dirname "$0")/.."
seconds=${MUTANT_SECONDS:-60}
work=$(mktemp -d)
target=${MUTANT_TARGET:-$work/target}
trap 'rm -rf "$work"' EXIT
wanted=" $* "
missed=0
tried=0

# mutant NAME FILE SED: changes FILE by a sed command, which must change something.
mutant() {
    case "$wanted" in "  " | *" $1 "*) ;; *) return 0 ;; esac
    tried=$((tried + 1))
    rm -rf "$work/tree"
    mkdir "$work/tree"
    git ls-files -z | xargs -0 cp --parents -t "$work/tree"
    sed -i "$3" "$work/tree/$2"
    if cmp -s "$2" "$work/tree/$2"; then
        echo "$1: the line that it changes is gone from $2"
        missed=$((missed + 1))
        return 0
    fi
    if ! (cd "$work/tree" && CARGO_TARGET_DIR="$target" cargo build --locked --release --quiet -p frond-dst) 2>"$work/log"; then
        echo "$1: does not compile"
        cat "$work/log"
        missed=$((missed + 1))
        return 0
    fi
    for level in rough hostile calm; do
        status=0
        timeout $((seconds / 3)) "$target/release/frond-dst" sweep --seeds 0..1000000 --level $level >"$work/out" 2>&1 || status=$?
        if [ "$status" = 1 ] && grep -q ', broken: ' "$work/out"; then
            echo "$1: found: $(grep -m1 ', broken: ' "$work/out" | cut -c1-150)"
            return 0
        fi
        if [ "$status" = 101 ]; then
            echo "$1: found: $(grep -m1 'panicked' "$work/out" | cut -c1-150), level $level"
            return 0
        fi
    done
    echo "$1: NOT FOUND in $seconds seconds"
    missed=$((missed + 1))
}

mutant sent-before-the-reply sync/src/session/push.rs 's/        self\.request\.files\.push(Sent {/        self.sent.insert(outgoing.id);\n&/'
mutant no-hash-check repo/src/ingest.rs 's/if actual == expected {/if actual == expected || !content.is_empty() {/'
mutant phantom-dropped sync/src/session/inbox.rs 's/blob::rid_or_phantom(tx, &igot\.id, igot\.privacy)?;/let _ = blob::rid_or_phantom;/'
mutant private-for-everybody sync/src/server/orders.rs 's/Pragma::SendPrivate if self\.rights\.allow(Right::Private)/Pragma::SendPrivate if may_read/'
mutant cluster-forgets-a-member repo/src/cluster.rs 's/members\[part\.clone()\]\.iter()\.map/members[part.clone()].iter().skip(1).map/'
mutant budget-checked-too-late sync/src/outbox.rs 's/(self\.bytes\.saturating_add(bytes) <= self\.budget/(self.bytes <= self.budget \&\& bytes < u64::MAX/'
mutant tie-broken-the-other-way repo/src/unversioned.rs 's/Equal if here\.hash < peer\.hash/Equal if here.hash > peer.hash/'
mutant not-linked repo/src/ingest.rs 's/^    linker\.finish(tx, now)?;/    let _ = (linker, now);/'
mutant unsent-lost-on-refusal sync/src/session/push.rs 's/(Stance::Off | Stance::Refused(_), _) => Vec::new()/(Stance::Off | Stance::Refused(_), _) => self.request.offered.clone()/'
mutant private-in-the-catalog repo/src/outgoing.rs '/^const CATALOG/,/ORDER BY/{/FROM private/d}'
mutant shunned-comes-back repo/src/content/store.rs 's/if shun::contains(tx, id)? || refused_by_policy/if refused_by_policy/'
mutant push-without-right sync/src/server/orders.rs 's/(true, _) => self\.push = Mode::On,/(true, _) | (false, Mode::On) => self.push = Mode::On,/; s/(false, Mode::On) => self\.notes\.push(Card::Message(PULL_ONLY\.to_owned())),//'
mutant session-without-an-end sync/src/session.rs '/pub fn abandon/,/^    }/s/self\.finish(Some(error), cx);/let _ = (error, cx);/'
mutant deletion-not-taken repo/src/unversioned.rs 's/(Status::Take, None) => rows::bury(tx, igot\.name\.as_str(), capped(peer\.mtime, now))?,//'
mutant nothing-is-unavailable sync/src/session/absorb.rs 's/^            self\.unasked = unasked;//; s/                self\.unavailable\.insert(id);/                let _ = \&self.unavailable;/'
mutant private-made-public repo/src/blob.rs 's/Privacy::Private => "INSERT OR IGNORE INTO private(rid) VALUES(?1)"/Privacy::Private => "INSERT OR IGNORE INTO unclustered(rid) VALUES(?1)"/'
mutant gimme-answered-without-right sync/src/server/orders.rs 's/if self\.pull == Mode::On || self\.clone == Some(CloneRequest::Announce) {/if self.pull == Mode::On || self.push == Mode::On || self.clone == Some(CloneRequest::Announce) {/'

echo "$tried mutants, $missed not found"
[ "$missed" = 0 ] && [ "$tried" -gt 0 ]
