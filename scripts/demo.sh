#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Render the sample animation through the whole path, against a stand-in for Amazon on this computer.
set -eu
cd "$(dirname "$0")/.."

version=4.2.23
scripts/get-blender.sh "$version"
blender=${XDG_CACHE_HOME:-$HOME/.cache}/cloudrender-dev/bpy-$version/bin/python
if [ ! -f demo/sample.blend ] || [ samples/make_sample.py -nt demo/sample.blend ]; then
    echo "Making the sample scene in demo/ …"
    "$blender" samples/make_sample.py demo >demo.log 2>&1 || { cat demo.log >&2; exit 1; }
    rm -f demo.log
fi

root=$PWD
cd demo
PYTHONPATH=$root "$root/.venv/bin/python" -m tests.localcloud run -- "$root/.venv/bin/cloudrender" sample.blend -a -o "$root/out" \
    --local-blender "$blender" "$@"
echo "This was a rehearsal on your own computer: nothing was billed. The README tells how to do it on AWS."
