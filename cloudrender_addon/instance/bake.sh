# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What the recipes of machine images share; sourced by the other bake_*.sh, which the SSH user
# runs on a fresh Ubuntu. Every step may be run again. Settings: CR_MIRROR (Blender's release tree) and CR_BLENDERS (versions).
# CR_PREFIX is the root of the system whose files are changed: empty is this machine's own.
#
# Lines that begin with "::" are for the client (step, fact, error, hint); empty ones say that this still runs; all others
# are what the tools print.
set -eu

: "${CR_MIRROR:?}" "${CR_BLENDERS:?}" "${CR_PREFIX:=}"
ROOT="${TMPDIR:-/var/tmp}/cloudrender"

# shellcheck source=cloudrender_addon/instance/driver.sh
. "${here:?}/driver.sh"

# Tools may be silent for minutes. When nobody listens any more (the client is gone), the recipe ends.
keep_talking() {
    (
        trap '' PIPE
        # Its sleep outlives it for up to 2 s, and must not hold the client's line so long.
        while echo 2>/dev/null; do sleep 2 >/dev/null 2>&1; done
        kill "$$"
    ) &
    talker=$!
    trap 'kill "$talker" 2>/dev/null || :' EXIT
    trap 'exit 143' TERM
}

# One recipe at a time. One whose client is gone ends only when the tool in hand has, and the next one waits for that.
alone() {
    exec 9<"$ROOT"
    flock -n 9 || {
        step "Waiting for what is still under way on the machine"
        flock 9
    }
}

# Change the system. Who reads what the tool prints is this shell: it does not break off because no client listens any more.
change() {
    heard "$@" || fail "$* failed: $complaint" \
        "If a package server did not answer, or something else held apt's lock, try again"
}

# No driver but NVIDIA's may take the card: neither nouveau nor the VGA frame buffer. The file's last line comes when the
# first boot stage knows it, too.
only_nvidia() {
    file=$CR_PREFIX/etc/modprobe.d/cloudrender.conf
    wanted='blacklist nouveau
options nouveau modeset=0
blacklist vga16fb'
    last='# in the initramfs, too'
    [ "$(cat "$file" 2>/dev/null)" != "$wanted
$last" ] || return 0
    step "Switching nouveau and vga16fb off"
    sudo -n mkdir -p "${file%/*}"
    echo "$wanted" | sudo -n tee "$file" >/dev/null
    change sudo -n update-initramfs -u
    echo "$last" | sudo -n tee -a "$file" >/dev/null
}

# $@: patterns of packages that no update of the machine's own shall change.
hold() {
    held=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^ii  *//p')
    # shellcheck disable=SC2086 # packages are words of their own
    [ -z "$held" ] || change sudo -n apt-mark hold $held
}

# The driver, and nothing beside it. Driver and kernel stay as they are on the image: a machine that updates one of them by
# itself would boot a kernel without driver, or render with libraries of one version over a module of another.
gpu_driver() {
    only_nvidia
    change packages install -y # waits for what updates itself at the moment
    hold 'linux-*'
    # What a machine of this image boots may be newer than what runs now.
    KERNELS=$({ uname -r; ls "$CR_PREFIX/lib/modules" 2>/dev/null; } | sort -u)
    nvidia_driver
    hold '*nvidia*'
}

# $1: "gpu" or "cpu". Blender as the render agent would bring it, where the render agent looks for it; one frame of a tiny
# scene, so that what Cycles builds for this GPU and driver, and what Linux reads from the disk, is on the image.
blenders() {
    cd "$ROOT"
    # shellcheck disable=SC2086 # versions are words of their own
    python3 -m agent.baking "$CR_MIRROR" "$1" $CR_BLENDERS
}

# Nothing of this machine's own goes into the image: keys, history, logs, what cloud-init and the render agent noted. The
# dead-man switch lives on until the machine is stopped, so the files that it reads stay; the next machine writes its own.
# The keys go last, in one go: whom the machine lets in may run this once more, and whom it does not knows that it is done.
clean_up() {
    step "Cleaning up"
    change packages clean
    change sudo -n cloud-init clean --logs
    # Machines of one image must not share an id. With an empty file Linux makes one at the next boot; without a file it
    # would take that for its very first boot, and switch services on that the image has off: machine-id(5).
    sudo -n truncate -s 0 "$CR_PREFIX/etc/machine-id"
    # They tell from where the machine was logged in to, which is nothing for whom the image is shared with.
    sudo -n find "$CR_PREFIX/var/log" -type f \( -name '*.journal' -o -name '*.journal~' -o -name 'auth.log*' \
        -o -name 'syslog*' -o -name 'wtmp*' -o -name 'btmp*' -o -name lastlog \) -delete
    sudo -n rm -f "$CR_PREFIX/root/.bash_history"
    rm -f "$HOME/.bash_history"
    find "$ROOT" -mindepth 1 -maxdepth 1 \
        ! -name lease ! -name deadline ! -name lease_seconds -exec rm -rf {} +
    sync
    trap '' TERM
    sudo -n rm -f "$CR_PREFIX/root/.ssh/authorized_keys"
    rm -f "$HOME/.ssh/authorized_keys"
    sudo -n find "$CR_PREFIX/etc/ssh" -name 'ssh_host_*' -delete
    sync
}
