# SPDX-License-Identifier: GPL-3.0-or-later
"""ed25519 key pairs on disk: the one a job logs in with, and the one its machine proves itself by.

Nothing here needs paramiko, so a record can be planned and read without paying for its import.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ..errors import RecordError


@dataclass(frozen=True, kw_only=True)
class KeyPair:
    """One pair on disk: the private key at `path` (0600, OpenSSH format), `public` as "ssh-ed25519 AAAA…"."""

    path: Path
    public: str

    def private_text(self) -> str:
        """Read the private key in OpenSSH format. Raises `RecordError`."""
        return _read(self.path).decode("ascii")


def create_key(path: Path, *, comment: str) -> KeyPair:
    """Make a key pair at `path` and return it; a pair that is there already is returned untouched.

    `comment` goes into `path` + ".pub", as ssh-keygen leaves it: there a person finds what the key is for.
    Raises `RecordError` when the present key is damaged or the folder cannot be written.
    """
    key = Ed25519PrivateKey.generate()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The builtin, because Path.open takes no opener.
        with open(path, "xb", opener=_private) as file:
            file.write(
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.OpenSSH,
                    serialization.NoEncryption(),
                )
            )
        path.with_name(path.name + ".pub").write_text(f"{_public(key)} {comment}\n", encoding="utf-8")
    except FileExistsError as error:
        if path.parent.is_dir():
            return load_key(path)
        raise _unwritable(path, error) from error
    except OSError as error:
        raise _unwritable(path, error) from error
    return KeyPair(path=path, public=_public(key))


def copy_key(source: Path, target: Path) -> None:
    """Copy a key pair over whatever is at `target`. Raises `RecordError`, also when the pair is damaged."""
    pair = load_key(source)
    try:
        comment = source.with_name(source.name + ".pub").read_bytes()
    except OSError:
        comment = f"{pair.public}\n".encode("ascii")
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        with open(part, "xb", opener=_private) as file:  # as in `create_key`
            file.write(_read(source))
        part.replace(target)
        target.with_name(target.name + ".pub").write_bytes(comment)
    except OSError as error:
        raise _unwritable(target, error) from error


def load_key(path: Path) -> KeyPair:
    """Return the key pair at `path`. Raises `RecordError` when it is missing or damaged."""
    try:
        key = serialization.load_ssh_private_key(_read(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _damaged(path) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _damaged(path)
    return KeyPair(path=path, public=_public(key))


def _private(path: str, flags: int) -> int:
    """Open for the owner alone from the first moment: a later chmod would leave a gap."""
    return os.open(path, flags, 0o600)


def _public(key: Ed25519PrivateKey) -> str:
    text = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return text.decode("ascii")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RecordError(
            f"The SSH key {path} cannot be read: {error.strerror}",
            hint="Without it the machine cannot be reached, so it is ended; resume the job for the missing frames.",
        ) from error


def _unwritable(path: Path, error: OSError) -> RecordError:
    return RecordError(
        f"The SSH key {path} cannot be written: {error.strerror}",
        hint="Check that the disk is not full and that the folder belongs to you.",
    )


def _damaged(path: Path) -> RecordError:
    return RecordError(
        f"The SSH key {path} is damaged",
        hint="Without it the machine cannot be reached, so it is ended; resume the job for the missing frames.",
    )
