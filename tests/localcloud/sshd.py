# SPDX-License-Identifier: GPL-3.0-or-later
"""The real OpenSSH server of a stand-in machine: where it is, and its configuration."""

from __future__ import annotations

import getpass
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

_PRIVILEGE_SEPARATION_FOLDER = Path("/run/sshd")

# The session's folder would be the real home of the user; on the machine it has to be the machine's.
_LOGIN = """\
#!/bin/sh
cd "$HOME" || exit 1
case ${SSH_ORIGINAL_COMMAND:-} in
    "") exec /bin/sh -i ;;
    internal-sftp*) exec %(sftp)s ;;
    *) exec /bin/sh -c "$SSH_ORIGINAL_COMMAND" ;;
esac
"""


def find_sshd() -> str:
    """Return the full path of sshd, which insists on being started by it. Raises FileNotFoundError."""
    found = shutil.which("sshd", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin")))
    if not found:
        raise FileNotFoundError("sshd is not installed: apt-get install openssh-server")
    return found


def configure(
    folder: Path, *, address: str, port: int, host_key: str, authorized_key: str, env: Mapping[str, str]
) -> list[str]:
    """Write everything sshd needs into `folder` and return the command that starts it.

    The keys are on the machine's own disk, where an image's recipe takes them away: then nobody gets in any more.
    """
    keys, home = folder / "disk" / "etc" / "ssh", folder / "home" / ".ssh"
    for place in (keys, home):
        place.mkdir(parents=True, exist_ok=True)
    _write(keys / "ssh_host_ed25519_key", host_key.rstrip("\n") + "\n", 0o600)
    with (home / "authorized_keys").open("a", encoding="utf-8") as authorized:  # as cloud-init does
        authorized.write(authorized_key.strip() + "\n")
    sftp = "/usr/lib/openssh/sftp-server"
    _write(folder / "login", _LOGIN % {"sftp": sftp}, 0o700)
    settings = " ".join(f'"{name}={value}"' for name, value in env.items())
    lines = [
        f"ListenAddress {address}:{port}",
        f'HostKey "{keys}/ssh_host_ed25519_key"',
        f'AuthorizedKeysFile "{home}/authorized_keys"',
        "PidFile none",
        "StrictModes no",
        f"UsePAM {'yes' if _password_locked() else 'no'}",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PermitRootLogin prohibit-password",
        "PermitUserRC no",
        "PrintMotd no",
        "PrintLastLog no",
        "UseDNS no",
        "MaxStartups 100",
        "MaxSessions 100",
        "Subsystem sftp internal-sftp",
        f'ForceCommand "{folder}/login"',
        f"SetEnv {settings}",
    ]
    _write(folder / "sshd_config", "\n".join(lines) + "\n", 0o600)
    if os.geteuid() == 0:
        _PRIVILEGE_SEPARATION_FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
    return [find_sshd(), "-D", "-e", "-f", str(folder / "sshd_config")]


def _password_locked() -> bool:
    """Tell whether sshd, which sees the shadow file only as root, would refuse this account without PAM."""
    try:
        shadow = Path("/etc/shadow").read_text(encoding="utf-8")
    except OSError:
        return False
    return any(line.startswith(f"{getpass.getuser()}:!") for line in shadow.splitlines())


def _write(path: Path, text: str, mode: int) -> None:
    path.touch(mode=mode)
    path.write_text(text, encoding="utf-8")
