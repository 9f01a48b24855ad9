#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Usage: tests/gui/in_root.sh COMMAND ARGUMENT...      (as root)
#
# Run COMMAND in the root folder that scripts/get-blender-gui.sh made, in this shell's place: same process id, same
# folder, same network. The folders where people keep files (/home, /tmp, this checkout, ...) look as they do outside.
# Mounts are made in a namespace of their own and go with it.
set -eu
root=${XDG_CACHE_HOME:-$HOME/.cache}/cloudrender-dev/blender-gui/root
export BLENDER_ROOT="$root"
# Programs of outside (a pyenv shim, say) would not run here, and Blender takes the first python3 on PATH for its own.
export LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin
# shellcheck disable=SC2016  # for the inner shell
exec unshare --mount --propagation private /bin/sh -euc '
for folder in /*; do
    case $folder in
        /bin | /boot | /etc | /lib* | /lost+found | /proc | /run | /sbin | /sys | /usr | /var) continue ;;
    esac
    [ -d "$folder" ] || continue
    mkdir -p "$BLENDER_ROOT$folder"
    mount --rbind "$folder" "$BLENDER_ROOT$folder"
done
mount -t proc proc "$BLENDER_ROOT/proc"
mount -t sysfs sysfs "$BLENDER_ROOT/sys"
mount --bind /var/tmp "$BLENDER_ROOT/var/tmp"
here=$PWD root=$BLENDER_ROOT
unset BLENDER_ROOT
exec chroot "$root" /bin/sh -c "cd \"\$0\" 2>/dev/null || cd /; exec \"\$@\"" "$here" "$@"' in_root "$@"
