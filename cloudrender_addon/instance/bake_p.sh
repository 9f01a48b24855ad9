#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The recipe of an image for machines with a compute GPU (P4, P5 and newer): as for graphics GPUs, and what sets up the
# switches between their GPUs, also if the machine at hand has but one.
here=$(dirname "$0")
# shellcheck source=cloudrender_addon/instance/bake.sh
. "$here/bake.sh"

keep_talking
alone
SWITCHES=yes
gpu_driver
blenders gpu
fact finished yes
