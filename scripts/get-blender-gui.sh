#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Usage: scripts/get-blender-gui.sh      (as root, on Debian)
#
# Make a Blender with a window ready for `make test-gui`: Debian 13's Blender 4.3.2 with Xvfb, xdotool and ImageMagick,
# unpacked into a root folder of its own, ${XDG_CACHE_HOME:-~/.cache}/cloudrender-dev/blender-gui/root, so that nothing
# is installed on this computer. tests/gui/in_root.sh runs commands there. 60-90 s and 1 GB; does nothing when it is there.
# DEBIAN_MIRROR names the mirror to use, if the one of this computer's apt sources is not it.
set -eu

fail() {
    echo "get-blender-gui.sh: $1" >&2
    exit 1
}

suite=trixie
# The second line is what Blender's own builds contain and Debian's package does not ask for.
packages="blender libc-bin xvfb xdotool imagemagick libgl1-mesa-dri libglx-mesa0 libegl1 python3 dash bash coreutils \
python3-numpy python3-requests python3-zstandard python3-certifi"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

folder=${XDG_CACHE_HOME:-$HOME/.cache}/cloudrender-dev/blender-gui
root=$folder/root
wanted="$suite $packages"
ready() {
    [ "$(cat "$folder/.complete" 2>/dev/null)" = "$wanted" ]
}
if ready; then exit 0; fi

[ "$(id -u)" = 0 ] || fail "a Blender with a window needs root here (it runs in a root folder of its own): sudo make test-gui"
[ -f "$keyring" ] || fail "Debian's keys are missing: apt-get install debian-archive-keyring"

mkdir -p "$folder"
exec 9>"$folder.lock"
flock 9
if ready; then exit 0; fi

find_mirror() {
    if [ -n "${DEBIAN_MIRROR:-}" ]; then
        echo "$DEBIAN_MIRROR"
    else
        cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
            grep -v '^#' | grep -oE 'https?://[^ ]+/debian/?( |$)' | tr -d ' ' | head -n 1
    fi
}

download() {
    mirror=$(find_mirror)
    apt=$folder/apt
    mkdir -p "$apt/lists/partial" "$apt/archives/partial"
    : >"$apt/status"
    echo "deb [signed-by=$keyring] ${mirror:-http://deb.debian.org/debian} $suite main" >"$apt/sources.list"
    cat >"$apt/apt.conf" <<END
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt";
Acquire::Languages "none";
Acquire::Retries "5";
APT::Architecture "amd64";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
APT::Keep-Downloaded-Packages "true";
END
    APT_CONFIG=$apt/apt.conf apt-get -qq update
    # shellcheck disable=SC2086  # a list of names
    APT_CONFIG=$apt/apt.conf apt-get -qq --yes --download-only install $packages >/dev/null
}

unpack() {
    rm -rf --one-file-system "$root"
    mkdir -p "$root/usr/bin" "$root/usr/sbin" "$root/usr/lib" "$root/usr/lib64" "$root/etc/ld.so.conf.d" \
        "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/run" "$root/var/tmp"
    chmod 1777 "$root/tmp" "$root/var/tmp"
    for name in bin sbin lib lib64; do ln -s "usr/$name" "$root/$name"; done
    # Unpacked only: no maintainer script is run, for they would see this computer.
    # shellcheck disable=SC2016  # $ROOT is for the shell that xargs starts
    printf '%s\n' "$folder"/apt/archives/*.deb | ROOT=$root xargs -P "$(nproc)" -I{} bash -o pipefail -c '
        dpkg-deb --fsys-tarfile "{}" | tar -x -C "$ROOT" --keep-directory-symlink --no-same-owner \
            --warning=no-timestamp --exclude="./usr/share/doc" --exclude="./usr/share/man" --exclude="./usr/share/info" \
            --exclude="./usr/share/locale" --exclude="./usr/share/proj" --exclude="./usr/share/iso-codes"'
}

finish() { # what the maintainer scripts would have done and Blender needs
    ln -sfn ../proc/self/mounts "$root/etc/mtab"
    echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
    echo 'root:x:0:' >"$root/etc/group"
    printf 'passwd: files\ngroup: files\nhosts: files dns\n' >"$root/etc/nsswitch.conf"
    echo '127.0.0.1 localhost' >"$root/etc/hosts"
    [ -f "$root/etc/ld.so.conf" ] || echo 'include /etc/ld.so.conf.d/*.conf' >"$root/etc/ld.so.conf"
    printf '%s\n' /usr/lib/x86_64-linux-gnu/blas /usr/lib/x86_64-linux-gnu/lapack \
        >"$root/etc/ld.so.conf.d/00-alternatives.conf"
    chroot "$root" /sbin/ldconfig
    for tool in import convert; do
        for real in "$root/usr/bin/$tool"-im*; do ln -sfn "${real##*/}" "$root/usr/bin/$tool"; done
    done
}

echo "Getting a Blender with a window (about 350 MB) ..." >&2
rm -f "$folder/.complete"
download
unpack
finish
rm -rf "$folder/apt"
missing=$(chroot "$root" /lib64/ld-linux-x86-64.so.2 --list /usr/bin/blender | grep 'not found' || true)
[ -z "$missing" ] || fail "Blender lacks libraries: $missing"
echo "$wanted" >"$folder/.complete"
