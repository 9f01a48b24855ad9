# SPDX-License-Identifier: GPL-3.0-or-later
"""install.py ZIP REPORT, in Blender: install the extension without enabling it."""

import json
import os
import sys
from pathlib import Path

import bpy

archive, report = sys.argv[1:]
bpy.ops.extensions.package_install_files(repo="user_default", filepath=archive, enable_on_install=False)
Path(report).write_text(json.dumps({}), encoding="utf-8")
sys.stdout.flush()
os._exit(0)  # some versions of the module crash while the interpreter winds down
