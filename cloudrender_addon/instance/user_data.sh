#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# First boot of a rented machine: make sure that it ends, then make the folder that everything lives in.
#
# Two background processes power it off, each on its own: the lifetime (one sleep that nothing renews) and the
# dead-man switch (lease, deadline, collected). Time is uptime, so no clock that is set later can move it.
# Settings, as assignments right below the first line: CR_OWNER (the SSH user), CR_LEASE and CR_LIFETIME (seconds).
set -u

: "${CR_OWNER:?}" "${CR_LEASE:?}" "${CR_LIFETIME:?}" "${CR_POLL:=5}"
ROOT="${TMPDIR:-/var/tmp}/cloudrender"

uptime_seconds() {
    read -r up _ </proc/uptime
    echo "${up%%.*}"
}

# Print the whole number that a file holds; nothing if it is missing or holds anything else.
number() {
    { read -r value <"$1"; } 2>/dev/null || value=
    case $value in
    '' | *[!0-9]*) ;;
    *) echo "$value" ;;
    esac
}

# Never returns: `shutdown` may be refused (early in boot) or get stuck, so it is repeated and then forced.
power_off() {
    tries=0
    while :; do
        shutdown -P now || tries=$((tries + 9))
        tries=$((tries + 1))
        [ "$tries" -lt 40 ] || poweroff -f
        sleep "$CR_POLL"
    done
}

# A render eats memory: let the kernel take Blender, never the switch. Only root may ask for that.
shield() {
    { echo -1000 >"/proc/$$/oom_score_adj"; } 2>/dev/null || :
}

lifetime() {
    shield
    sleep "$CR_LIFETIME"
    power_off
}

dead_man() {
    shield
    unreadable=0
    while [ "$unreadable" -lt 6 ]; do
        [ ! -e "$ROOT/collected" ] || break
        now=$(uptime_seconds)
        lease=$(number "$ROOT/lease")
        deadline=$(number "$ROOT/deadline")
        if [ -n "$lease" ] && [ -n "$deadline" ]; then
            unreadable=0
            [ "$now" -le "$lease" ] && [ "$now" -le "$deadline" ] || break
        else
            # Writers rename whole files into place, so this lasts only if somebody tampered: end the machine then.
            unreadable=$((unreadable + 1))
        fi
        sleep "$CR_POLL"
    done
    power_off
}

# Own session and no terminal: whoever runs this script may end, and take its process group along.
in_background() {
    setsid sh "$0" "$1" </dev/null >/dev/null 2>&1 &
}

# An existing folder is taken only if it is really a folder, and the owner's or ours: /var/tmp is everybody's.
make_root() {
    mkdir -p "${ROOT%/*}" && mkdir -m 700 "$ROOT" 2>/dev/null && return
    [ -n "$(find "$ROOT" -prune -type d \( -user "$CR_OWNER" -o -user "$(id -u)" \) 2>/dev/null)" ] &&
        chmod 700 "$ROOT"
}

put() {
    echo "$2" >"$ROOT/$1.new" && mv -f "$ROOT/$1.new" "$ROOT/$1"
}

case ${1:-} in
lifetime) lifetime ;;
dead-man) dead_man ;;
*)
    in_background lifetime
    make_root || power_off
    now=$(uptime_seconds)
    put lease $((now + CR_LEASE))
    put deadline $((now + CR_LIFETIME))
    put lifetime $((now + CR_LIFETIME))
    put lease_seconds "$CR_LEASE"
    [ "$(id -u)" -ne 0 ] || chown -R "$CR_OWNER:" "$ROOT"
    in_background dead-man
    ;;
esac
