#!/bin/sh
# Installs the Debian packages that the tests drive, if one is missing: stock Fossil, the oracle, above all.
set -eu
missing=""
# A program, and the package it is in.
need() {
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need fossil fossil
need sqlite3 sqlite3
need nats-server nats-server
# The web server that repositories are served behind, and what hands sockets down.
need nginx nginx
need systemd-socket-activate systemd
need systemd-analyze systemd
# The browser that looks at the status page.
need chromium-headless-shell chromium-headless-shell
# The tests of full and read-only disks.
need unshare util-linux
need mount mount
# A network of one's own, to which ways are added.
need ip iproute2
# Programs whose packages would start a service: those are unpacked, and not installed.
unpacked="${CARGO_TARGET_DIR:-target}/debian"
wanted=""
want() {
    command -v "$1" >/dev/null 2>&1 || [ -x "$unpacked/usr/bin/$1" ] || wanted="$wanted $2"
}
# Says whether metrics and alerts are such as Prometheus reads.
want promtool prometheus
[ -n "$missing$wanted" ] || exit 0
echo "installing:$missing$wanted"
sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo
$sudo apt-get update -qq
# shellcheck disable=SC2086  # the names are words
[ -z "$missing" ] ||
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
mkdir -p "$unpacked"
for package in $wanted; do
    (cd "$unpacked" && rm -f "$package"_*.deb && apt-get download -qq "$package" && dpkg-deb -x "$package"_*.deb .)
    rm -f "$unpacked/$package"_*.deb
done
