#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Usage: scripts/get-blender.sh VERSION      (4.2.23, 4.3.0, 4.5.15 or 5.0.1)
#
# Make Blender VERSION, as the Python module that Blender's developers publish (the bpy wheel), ready for tests, demo
# and benchmarks, in ${XDG_CACHE_HOME:-~/.cache}/cloudrender-dev/bpy-VERSION. Does nothing when it is there.
#
# A virtual environment cannot be moved, so it is built in its final place: a lock keeps others out meanwhile, and
# nobody uses it before the file `.complete` is in it. What an interrupted run left behind is built anew.
# PYTHON names the Python 3.11 to use, if `python3.11` and `python3` are not it.
set -eu

fail() {
    echo "get-blender.sh: $1" >&2
    exit 1
}

version=${1:?Usage: get-blender.sh VERSION}
folder=${XDG_CACHE_HOME:-$HOME/.cache}/cloudrender-dev/bpy-$version
[ ! -e "$folder/.complete" ] || exit 0

lock=$(dirname "$0")/../tests/localcloud/blender/bpy-$version.lock
[ -f "$lock" ] || fail "there is no Blender $version here: $lock is missing"

works() {
    # os._exit: some versions crash while the interpreter winds down
    "$folder/bin/python" -I -c 'import bpy, os; os._exit(0)' >/dev/null 2>&1
}

whole() {
    works && "$folder/bin/python" -m pip check >/dev/null 2>&1
}

find_python() {
    for candidate in ${PYTHON:-} python3.11 python3; do
        if "$candidate" -c 'import sys, venv; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    fail "Blender $version needs Python 3.11 with venv: apt-get install python3.11-venv, or set PYTHON"
}

mkdir -p "${folder%/*}"
exec 9>"$folder.lock"
flock 9
[ ! -e "$folder/.complete" ] || exit 0

if [ ! -e "$folder/.installed" ] && ! whole; then
    python=$(find_python)
    echo "Getting Blender $version (about 350 MB) ..." >&2
    rm -rf "$folder"
    "$python" -m venv "$folder"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
        --only-binary :all: -r "$lock"
    : >"$folder/.installed"
fi
works || fail "Blender $version lacks system libraries. As root: apt-get install -y libx11-6 libxrender1 libxxf86vm1 \
libxfixes3 libxi6 libxkbcommon0 libsm6 libgl1 libegl1 libgomp1"
: >"$folder/.complete"
