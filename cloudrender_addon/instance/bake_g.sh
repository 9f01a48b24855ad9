#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The recipe of an image for machines with a graphics GPU (G4dn, G5, G6, G6e, G7e): NVIDIA's data-centre driver with its
# OpenGL and ray tracing parts, which OptiX needs, and the open kernel modules, as the newest cards take no others.
here=$(dirname "$0")
# shellcheck source=cloudrender_addon/instance/bake.sh
. "$here/bake.sh"

keep_talking
alone
gpu_driver
blenders gpu
fact finished yes
