# SPDX-License-Identifier: GPL-3.0-or-later
"""The command with which a person logs in to a machine: with the job's key, trusting no other host key than its own."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from ..errors import RecordError
from .base import Machine


def login_command(machine: Machine, *, key: Path, known_hosts: Path) -> str:
    """Write `known_hosts` and return what to type into a shell. Raises `RecordError`."""
    address, port = machine.address or "", machine.ssh_port
    name = address if port == 22 else f"[{address}]:{port}"
    try:
        known_hosts.write_text(f"{name} {machine.host_key}\n", encoding="ascii")
    except OSError as error:
        raise RecordError(
            f"{known_hosts} cannot be written ({error.strerror})", hint="Make room on that disk, or check its rights"
        ) from error
    options = (
        f"IdentityFile={_quoted(key)}",
        "IdentitiesOnly=yes",
        f"UserKnownHostsFile={_quoted(known_hosts)}",
        "StrictHostKeyChecking=yes",
    )
    words = ["ssh", *(word for option in options for word in ("-o", option))]
    words += ["-p", str(port), f"{machine.ssh_user}@{address}"]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def _quoted(path: Path) -> str:
    """Write a path as ssh reads it in a line of its configuration (which an option is), with / on Windows, too."""
    return '"' + path.as_posix().replace("%", "%%") + '"'
