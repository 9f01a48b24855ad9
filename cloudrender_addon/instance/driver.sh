# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# NVIDIA's driver for the GPU that this machine has, installed from Ubuntu's packages where the image has none. Sourced by
# the recipes (bake.sh), and run by the render agent (nvidia_driver.py). Why these packages: docs/ARCHITECTURE.md, "GPUs".
# CR_PREFIX is the root of the system whose files are looked at and changed: empty is this machine's own.
#
# Lines that begin with "::" are for the client (step, fact, error, hint); all others are what the tools print.
set -eu

: "${CR_PREFIX:=}"

# The last branch that drives Volta (P3), and new enough for Blackwell (G7e). Ubuntu calls NVIDIA's data-centre driver "server".
DRIVER_BRANCH=580

# Which kernels it is installed for, and whether with what sets up the switches between GPUs ("no": if there are any).
KERNELS=$(uname -r)
SWITCHES=no

step() {
    printf '::step %s\n' "$*"
}

fact() {
    printf '::fact %s %s\n' "$1" "$2"
}

fail() {
    printf '::error %s\n::hint %s\n' "$1" "$2"
    exit 1
}

# A fresh machine's own updates hold the package manager's lock for a minute or two. No service is restarted by itself afterwards.
packages() {
    sudo -n env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -q -o DPkg::Lock::Timeout=300 "$@"
}

# Print the PCI ids of NVIDIA's devices of a class: 0x03 are GPUs, 0x0680 the switches between those of P4 and larger.
nvidia_devices() {
    for device in "$CR_PREFIX"/sys/bus/pci/devices/*; do
        [ "$(cat "$device/vendor" 2>/dev/null)" = 0x10de ] || continue
        case $(cat "$device/class") in
        "$1"*) cat "$device/device" ;;
        esac
    done
}

# $1: what the name of a package begins with that there is for each kernel.
for_kernels() {
    for kernel in $KERNELS; do
        echo "$1-$kernel"
    done
}

# Run a tool and print what it says; its last words are in $complaint if it fails.
heard() {
    if said=$("$@" 2>&1); then
        printf '%s\n' "$said"
        return
    fi
    printf '%s\n' "$said"
    complaint=$(printf '%s\n' "$said" | grep '^E: ' | head -n 1)
    [ -n "$complaint" ] || complaint=$(printf '%s\n' "$said" | grep . | tail -n 1)
    return 1
}

# $1: the first GPU's PCI id.
install_driver() {
    # NVIDIA's open kernel modules need a part (GSP) that GPUs have since Turing, whose ids begin at 0x1e00. Older ones
    # need the closed modules, which the newest GPUs (Blackwell) refuse.
    open=-open
    [ "$(($1))" -ge "$((0x1e00))" ] || open=
    command -v apt-get >/dev/null || fail "There is no NVIDIA driver on this image, and no apt-get to install one with" \
        "Set Image (--image) to one with the driver, to one of Ubuntu, or to auto"
    step "Installing the NVIDIA driver"
    sudo -n modprobe -r nouveau 2>/dev/null || :
    complaint=
    # libnvidia-gl has OptiX (libnvoptix, libnvidia-rtcore) and EGL, headless has CUDA, modprobe makes the device files.
    set -- "nvidia-headless-no-dkms-$DRIVER_BRANCH-server$open" "libnvidia-gl-$DRIVER_BRANCH-server" \
        "nvidia-utils-$DRIVER_BRANCH-server" nvidia-modprobe
    [ -z "$(nvidia_devices 0x0680)" ] || SWITCHES=yes
    [ "$SWITCHES" = no ] || set -- "$@" "nvidia-fabricmanager-$DRIVER_BRANCH"
    # Without its lists apt may know the packages all the same; what it lacks it says then.
    heard packages update || :
    # Modules that are built and signed for this very kernel need no compiler. A kernel that is no longer the newest may
    # have them only for an older driver: then they are compiled.
    # shellcheck disable=SC2046 # packages are words of their own
    heard packages install -y --no-install-recommends "$@" \
        $(for_kernels "linux-modules-nvidia-$DRIVER_BRANCH-server$open") ||
        heard packages install -y --no-install-recommends "$@" \
            "nvidia-dkms-$DRIVER_BRANCH-server$open" $(for_kernels linux-headers) ||
        fail "The NVIDIA driver cannot be installed: $complaint" \
            "Try again if only the package servers failed, or set Image (--image) to one with the driver, or to Ubuntu 24.04"
    for module in nvidia nvidia-uvm; do
        sudo -n modprobe "$module" || :
    done
    # The GPUs behind switches do nothing before these are set up. On a machine without switches it ends by itself.
    [ "$SWITCHES" = no ] || sudo -n systemctl enable --now nvidia-fabricmanager || :
}

# Leave a driver that is there as it is, else install one; see that it works.
nvidia_driver() {
    gpu=$(nvidia_devices 0x03 | head -n 1)
    step "Looking at the NVIDIA driver"
    if ! command -v nvidia-smi >/dev/null; then
        [ -n "$gpu" ] || fail "There is no NVIDIA GPU in this machine" "Choose a machine type with one, such as g4dn.xlarge"
        install_driver "$gpu"
    fi
    nvidia-smi >/dev/null 2>&1 || sudo -n modprobe nvidia || :
    answer=$(nvidia-smi --query-gpu=driver_version,name --format=csv,noheader 2>&1) ||
        fail "The NVIDIA driver does not work: $(echo "$answer" | head -n 1)" \
            "The image's driver does not fit its kernel, or this GPU: set Image (--image) to another one, or to auto"
    answer=$(echo "$answer" | head -n 1)
    fact driver "${answer%%,*}"
    fact gpu "${answer#*, }"
}

# What the agent calls: nothing if the image has a driver, or the machine no GPU of NVIDIA's.
missing_nvidia_driver() {
    if command -v nvidia-smi >/dev/null || [ -z "$(nvidia_devices 0x03)" ]; then
        return
    fi
    nvidia_driver
}
