#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The recipe of an image for machines with a compute GPU (P3, P4, P5): the driver for CUDA alone, as these cards trace no
# rays in hardware and have no display; the closed kernel modules, since P3's cards have no open ones.
here=$(dirname "$0")
# shellcheck source=cloudrender_addon/instance/bake.sh
. "$here/bake.sh"

keep_talking
only_nvidia
nvidia_driver nvidia-headless-580-server nvidia-utils-580-server
blenders gpu
clean_up
