# SPDX-License-Identifier: GPL-3.0-or-later
"""Import moto in half the time it usually takes: every stand-in, and every test process, waits for it."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock


@contextlib.contextmanager
def without_aws_settings() -> Iterator[None]:
    """Hide the user's AWS settings from boto3: a profile that is not there would fail every session."""
    with mock.patch.dict(os.environ):
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        yield


def import_moto() -> None:
    """Import the parts of moto that every Cloud uses. Nothing happens when they are there."""
    if "moto.ec2.models" in sys.modules:
        return
    _read_botocore_once()

    # moto's tables of instance types are very many objects that live for good: collecting finds nothing.
    collecting = gc.isenabled()
    gc.disable()
    try:
        with without_aws_settings():
            import moto.ec2.models
            import moto.moto_server.werkzeug_app
            import moto.ssm.models  # noqa: F401 - imported for others
    finally:
        if collecting:
            gc.enable()


def _read_botocore_once() -> None:
    """Read each file of botocore's data once, from now on: each session reads it anew, half of what a small test takes.

    Forks of this process have it, too. Nobody changes what was read, but for merging the same again.
    """
    from botocore.loaders import JSONFileLoader

    original = JSONFileLoader.load_file
    read: dict[str, Any] = {}

    def load_once(self: Any, path: str) -> Any:
        key = str(Path(path))
        if key not in read:
            read[key] = original(self, path)
        return read[key]

    JSONFileLoader.load_file = load_once
