#!/bin/sh
# Says which lines of repo and of the core of sync a sweep of the simulator reaches: per file, all together, and the
# functions that it does not reach (dst/COVERAGE.md says why). Tests are not compiled in, and neither is what is not of
# the core; the trait of transports has nothing that runs here.
# usage: dst/coverage.sh [--keep]: COVERAGE_SEEDS (default 500) seeds of each level; builds in COVERAGE_TARGET (default
# target/coverage), and writes files.txt and unreached.txt there. It ends by 1 if less than COVERAGE_LEAST (default 85) of
# a hundred lines are reached. It says the shares in a sentence at its end; --keep puts that in the place of the one in
# dst/COVERAGE.md. --help: this.
set -eu
case ${1:-} in
    -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" && exit 0 ;;
    '' | --keep) ;;
    *) echo "$1 is no option: --keep, --help" >&2 && exit 2 ;;
esac
cd "$(dirname "$0")/.."
seeds=${COVERAGE_SEEDS:-500}
least=${COVERAGE_LEAST:-85}
target=${COVERAGE_TARGET:-$PWD/target/coverage}
version=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
mkdir -p "$target"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The tools have to be of the version of LLVM that rustc was built with: the format of the counters is its own.
tools=/usr/lib/llvm-$version/bin
if [ ! -x "$tools/llvm-cov" ]; then
    sudo=""
    [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo apt-get update -qq
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "llvm-$version"
fi

# Only crates of the workspace count.
printf '#!/bin/sh\nexec "$@" -C instrument-coverage\n' >"$target/rustc-counting"
chmod +x "$target/rustc-counting"
# Build scripts would leave counters where they run.
LLVM_PROFILE_FILE="$work/build-%p.profraw" RUSTC_WORKSPACE_WRAPPER="$target/rustc-counting" \
    CARGO_TARGET_DIR="$target" cargo build --locked --release --quiet -p frond-dst
bin=$target/release/frond-dst
# What breaks a rule is another's concern here.
LLVM_PROFILE_FILE="$work/%p.profraw" "$bin" sweep --seeds "0..$seeds" --go-on >"$work/sweep" || true
tail -n 3 "$work/sweep"
rm -f "$work"/build-*
"$tools/llvm-profdata" merge -sparse "$work"/*.profraw -o "$work/profile"
"$tools/llvm-cov" export -format=lcov -instr-profile="$work/profile" \
    -ignore-filename-regex='sync/src/transport\.rs' "$bin" repo/src sync/src >"$work/lines"

# A generic function counts as reached if one of its instances is.
awk -v root="$PWD/" -v unreached="$work/unreached" '
    /^SF:/ { file = substr($0, 4); sub(root, "", file) }
    /^FN:/ { split(substr($0, 4), fn, ","); line[fn[2]] = fn[1] }
    /^FNDA:/ { split(substr($0, 6), fn, ","); at = file ":" line[fn[2]]; calls[at] += fn[1]; name[at] = fn[2] }
    /^DA:/ { split(substr($0, 4), da, ","); all[file]++; if (da[2] > 0) hit[file]++ }
    END {
        for (file in all) {
            printf "%6.1f%% %5d of %5d %s\n", 100 * hit[file] / all[file], hit[file], all[file], file
            split(file, part, "/"); sum[part[1]] += all[file]; sumhit[part[1]] += hit[file]
            total += all[file]; totalhit += hit[file]
        }
        for (of in sum) printf "%6.1f%% %5d of %5d in all of %s\n", 100 * sumhit[of] / sum[of], sumhit[of], sum[of], of
        printf "%6.1f%% %5d of %5d in all\n", 100 * totalhit / total, totalhit, total
        for (at in calls) if (calls[at] == 0) print at, name[at] > unreached
    }' "$work/lines" | sort -k5 | tee "$target/files.txt"
"$tools/llvm-cxxfilt" <"$work/unreached" | sed 's/::h[0-9a-f]\{16\}$//' | sort -V >"$target/unreached.txt"
echo "functions that were not reached: $(wc -l <"$target/unreached.txt"), in $target/unreached.txt"
# Of the lines that say it of all, and of all of a crate.
awk -v seeds="$seeds" '
    $6 == "all" { share[$8] = $1 }
    END { printf "With %d seeds a level: %s of all lines, %s of `repo`, %s of the core of `sync`.\n", seeds, share[""], share["repo"], share["sync"] }
    ' "$target/files.txt" | sed 's/%/ %/g' >"$target/shares.txt"
cat "$target/shares.txt"
if [ "${1:-}" = --keep ]; then
    awk -v shares="$(cat "$target/shares.txt")" '/^With [0-9]+ seeds a level: / { $0 = shares } { print }' dst/COVERAGE.md >"$work/text"
    cp "$work/text" dst/COVERAGE.md
fi
# The shares are rounded to be read, not to be compared.
awk -F: -v least="$least" -v root="$PWD/" '
    /^SF:/ { file = substr($0, 4); sub(root, "", file); split(file, part, "/") }
    /^DA:/ { split($2, da, ","); all[part[1]]++; if (da[2] > 0) hit[part[1]]++ }
    END {
        for (of in all) {
            if (100 * hit[of] >= least * all[of]) continue
            printf "%s: %d of %d lines are less than %s %%\n", of, hit[of], all[of], least
            few = 1
        }
        exit few
    }' "$work/lines"
