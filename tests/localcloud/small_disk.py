# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk of a machine's own, small enough to be filled: a memory file system that only its processes see.

It is mounted in a mount namespace, so it needs no unmounting: it goes with the last process. Root may do that
everywhere; an ordinary user only where the kernel gives user namespaces (Debian does, Ubuntu from 24.04 does not).
Standard library only and few imports, as supervisor.py. Run as a program, it fails where there can be no such disk.
"""

from __future__ import annotations

import ctypes
import os
import sys

_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
_libc = ctypes.CDLL(None, use_errno=True)


def available() -> bool:
    """Tell whether this user of this computer can have such a disk."""
    import subprocess

    return subprocess.run([sys.executable, __file__, "/tmp"], capture_output=True, check=False).returncode == 0


def mount(folder: str, *, megabytes: int) -> None:
    """Put an empty disk over `folder`, for this process and those it will start. Raises `OSError`."""
    user, group = os.geteuid(), os.getegid()
    _call("unshare", _CLONE_NEWNS if user == 0 else _CLONE_NEWNS | _CLONE_NEWUSER)
    if user != 0:
        # Everybody stays who they are: sshd would not let in a user that does not exist.
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            _write(f"/proc/self/{name}", text)
    _call("mount", b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)  # nothing of it shows outside
    _call("mount", b"disk", os.fsencode(folder), b"tmpfs", 0, f"size={megabytes}m,mode=0700".encode())


def fill(folder: str) -> None:
    """Leave no byte free in `folder`."""
    zeros = bytes(1 << 16)
    filler = os.open(os.path.join(folder, "filler"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)  # noqa: PTH118
    try:
        while os.write(filler, zeros):
            pass
    except OSError:  # no space left on device
        pass
    finally:
        os.close(filler)


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    mount(sys.argv[1], megabytes=1)
