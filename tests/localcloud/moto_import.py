# SPDX-License-Identifier: GPL-3.0-or-later
"""Import moto in half the time it usually takes: every stand-in, and every test process, waits for it."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Any
from unittest import mock


def import_moto() -> None:
    """Import the parts of moto that every Cloud uses. Nothing happens when they are there."""
    if "moto.ec2.models" in sys.modules:
        return
    from botocore.loaders import JSONFileLoader

    original = JSONFileLoader.load_file
    read: dict[str, Any] = {}

    def load_once(self: Any, path: str) -> Any:
        """Read a file of botocore's data once: moto makes sessions while it is imported, and each reads anew."""
        key = str(Path(path))
        if key not in read:
            read[key] = original(self, path)
        return read[key]

    # moto's tables of instance types are millions of objects that live for good: collecting finds nothing.
    collecting = gc.isenabled()
    gc.disable()
    try:
        with mock.patch.object(JSONFileLoader, "load_file", load_once):
            import moto.ec2.models
            import moto.moto_server.werkzeug_app  # noqa: F401 - imported for others
    finally:
        if collecting:
            gc.enable()
