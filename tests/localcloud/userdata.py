# SPDX-License-Identifier: GPL-3.0-or-later
"""User data as cloud-init reads it: MIME multipart, `#cloud-config` or `#!script`, plain or gzip."""

from __future__ import annotations

import email
import gzip
from dataclasses import dataclass, field
from typing import Any

_UNDERSTOOD = frozenset({"ssh_keys", "ssh_deletekeys"})


@dataclass(frozen=True, kw_only=True)
class UserData:
    """What a machine is told at its first boot; `ignored` are cloud-config keys the stand-in does nothing with."""

    host_key: str | None = None
    scripts: tuple[str, ...] = ()
    ignored: tuple[str, ...] = field(default=())


def parse(raw: bytes) -> UserData:
    """Take user data apart. Raises ValueError for a part cloud-init would not know what to do with."""
    config: dict[str, Any] = {}
    scripts = []
    for part in _parts(gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw):
        if part.startswith("#cloud-config"):
            import yaml

            config.update(yaml.safe_load(part) or {})
        elif part.startswith("#!"):
            scripts.append(part)
        elif part.strip():
            raise ValueError(f"cloud-init would not understand user data that starts with {part[:40]!r}")
    keys = config.get("ssh_keys") or {}
    return UserData(
        host_key=keys.get("ed25519_private"),
        scripts=tuple(scripts),
        ignored=tuple(sorted(set(config) - _UNDERSTOOD)),
    )


def _parts(raw: bytes) -> list[str]:
    if not raw.lstrip().lower().startswith((b"content-type:", b"mime-version:")):
        return [raw.decode()]
    message = email.message_from_bytes(raw)
    return [part.get_payload(decode=True).decode() for part in message.walk() if not part.is_multipart()]
