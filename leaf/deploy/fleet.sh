#!/bin/sh
# A hub and three leaves on this machine, as plain processes, in a directory that is to be new or of an earlier run:
#
#   leaf/deploy/fleet.sh DIRECTORY
#
# They run until this script is told to end (Ctrl-C, SIGTERM); then all of them end, and their repositories stay.
# FROND names another binary than `frond`; PORT the hub's port, by default 8080; NATS a broker where they meet as well, such
# as nats://127.0.0.1:4222.
set -eu
frond=${FROND:-frond}
port=${PORT:-8080}
mkdir -p "${1:?name a directory}"
cd "$1"

if [ ! -e hub.fossil ]; then
    # It prints the password of ann, which is not for a log: `frond user password ann` sets another.
    "$frond" new hub.fossil -A ann >/dev/null
    # Anyone on this machine may clone and push: a trial.
    "$frond" user capabilities nobody gio -R hub.fossil
fi

leaves=""
begin() {
    name=$1
    shift
    "$frond" leaf -R "$name.fossil" --socket "$name.sock" ${NATS:+--nats "$NATS"} "$@" >"$name.log" 2>&1 &
    leaves="$leaves $!"
}
finish() {
    trap - INT TERM
    # shellcheck disable=SC2086  # the ids are words
    kill -TERM $leaves 2>/dev/null || true
    wait
}
trap 'finish; exit 0' INT TERM

begin hub --listen "127.0.0.1:$port"
for name in leaf1 leaf2 leaf3; do
    begin "$name" --peer "http://127.0.0.1:$port/" --within 10m
done

for name in hub leaf1 leaf2 leaf3; do
    tries=0
    until "$frond" leaf status --check --socket "$name.sock" >/dev/null 2>&1; do
        tries=$((tries + 1))
        if [ "$tries" -gt 300 ]; then
            echo "$name is not ready; it said:" >&2
            cat "$name.log" >&2
            finish
            exit 1
        fi
        sleep 0.2
    done
    echo "$name is ready: $PWD/$name.fossil"
done
echo "all are ready; end them with Ctrl-C"
wait
