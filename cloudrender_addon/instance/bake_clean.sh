#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Make a machine fit for its image, when its recipe is done: nobody gets in any more after this.
here=$(dirname "$0")
# shellcheck source=cloudrender_addon/instance/bake.sh
. "$here/bake.sh"

keep_talking
alone
clean_up
