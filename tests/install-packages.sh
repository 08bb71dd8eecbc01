#!/bin/sh
# Installs the Debian packages that the tests drive, if one is missing: stock Fossil, the oracle, above all.
set -eu
missing=""
for program in fossil sqlite3 nats-server; do
    command -v "$program" >/dev/null 2>&1 || missing="$missing $program"
done
[ -n "$missing" ] || exit 0
echo "installing:$missing"
sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo
$sudo apt-get update -qq
# shellcheck disable=SC2086  # the names are words
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
