#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The recipe of an image for machines with a GPU older than NVIDIA's Turing (P3): the open kernel modules, which AWS's image
# has, do not drive them, and neither does any driver after 580. It begins with plain Ubuntu; the closed modules are installed.
here=$(dirname "$0")
# shellcheck source=cloudrender_addon/instance/bake.sh
. "$here/bake.sh"

keep_talking
alone
gpu_driver
blenders gpu
fact finished yes
