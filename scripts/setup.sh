#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Make this checkout ready to use: system packages, then a virtual environment with the locked dependencies.
# A finished set-up is recognised by its stamp and costs nothing.
set -eu
cd "$(dirname "$0")/.."

packages="openssh-server libx11-6 libxrender1 libxxf86vm1 libxfixes3 libxi6 libxkbcommon0 libsm6 libgl1 libegl1 libgomp1"
stamp=.venv/.complete
wanted=$(cat requirements.lock scripts/setup.sh | sha256sum)
# pyproject.toml is not part of it: the lock says what is installed, and the project itself is installed as a link.
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then exit 0; fi

python=${PYTHON:-$(command -v python3.11 || command -v python3 || true)}
if [ -z "$python" ] || ! "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then
    echo "Python 3.11 is needed here (Blender 4.2 to 5.0 as a module exists for no other version)." >&2
    echo "  → install python3.11 and python3.11-venv, or name it: make PYTHON=/path/to/python3.11 …" >&2
    exit 1
fi

if command -v dpkg-query >/dev/null; then
    missing=
    for package in $packages; do
        case $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true) in
            installed) ;;
            *) missing="$missing $package" ;;
        esac
    done
    "$python" -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3.11-venv"
    if [ -n "$missing" ] && [ "$(id -u)" = 0 ]; then
        echo "Installing system packages:$missing"
        apt-get -qq update
        # shellcheck disable=SC2086  # a list of names
        DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends $missing >/dev/null
    elif [ -n "$missing" ]; then
        echo "Some system packages are missing. Type this once, then try again:" >&2
        echo "  sudo apt-get install --yes --no-install-recommends$missing" >&2
        exit 1
    fi
fi

echo "Making the virtual environment .venv (about a minute) …"
rm -rf .venv
"$python" -m venv .venv
.venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
.venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
echo "$wanted" >"$stamp"
