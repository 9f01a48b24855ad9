# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception that ends a render with a `failed` event."""

from __future__ import annotations

from collections.abc import Sequence


class Failure(Exception):
    """Carry a `failed` event: `kind` ("blender", "gpu", "scene", "disk", "agent"), one line of cause, one of what next.

    `log` holds the last lines of whatever knows more.
    """

    def __init__(self, *, kind: str, message: str, hint: str = "", log: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.hint = hint
        self.log = tuple(log)


def disk_full() -> Failure:
    """Return the failure for a disk without space."""
    return Failure(
        kind="disk",
        message="The disk of the rented machine is full",
        hint="A new machine has room again: render the missing frames. If that does not help, send a smaller project.",
    )
