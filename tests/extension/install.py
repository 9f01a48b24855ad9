# SPDX-License-Identifier: GPL-3.0-or-later
"""Install the extension in Blender: install.py ZIP REPORT."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import bpy


def main(archive: str, destination: str) -> None:
    done = bpy.ops.extensions.package_install_files(repo="user_default", filepath=archive, enable_on_install=True)
    Path(destination).write_text(json.dumps(sorted(done)), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # some versions of the module crash while the interpreter winds down
