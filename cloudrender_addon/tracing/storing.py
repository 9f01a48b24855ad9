# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing paths into datablocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def setter(holder: Any, name: str) -> Callable[[str], None]:
    """Return what sets a property of a datablock or of a part of it."""

    def store(path: str) -> None:
        setattr(holder, name, path)

    return store
