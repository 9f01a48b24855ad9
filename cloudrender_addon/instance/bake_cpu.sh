#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The recipe of an image for machines without GPU (C and M, 6 to 8): Blender and its libraries.
here=$(dirname "$0")
# shellcheck source=cloudrender_addon/instance/bake.sh
. "$here/bake.sh"

keep_talking
alone
blenders cpu
fact finished yes
