#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Try an image that is made: bake_test.sh KIND. The driver answers, and each Blender that should be there renders a frame.
here=$(dirname "$0")
# shellcheck source=cloudrender_addon/instance/bake.sh
. "$here/bake.sh"

keep_talking
alone
if [ "$1" = cpu ]; then
    blenders cpu
else
    command -v nvidia-smi >/dev/null || fail "There is no NVIDIA driver on this image" "Build another one"
    nvidia_driver
    blenders gpu
fi
fact finished yes
