# SPDX-License-Identifier: GPL-3.0-or-later
"""enable.py MODULE REPORT, in a fresh Blender: enable this add-on alone; report seconds and the modules imported.

As Blender does at its start, which looks after the extensions' wheels once for all of them, before it enables any.
The clock stands still while the process could run but others had the cores.
"""

import json
import os
import sys
import time
from pathlib import Path

import bpy  # noqa: F401 - makes the next one be found

import addon_utils  # isort: skip


def clock():
    """Return seconds, without those that the main thread waited for a core."""
    return time.perf_counter() - int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9


module, report = sys.argv[1:]
addon_utils.extensions_refresh(addon_modules_pending=[module])
before = set(sys.modules)
began = clock()
enabled = addon_utils.enable(module, refresh_handled=True)
seconds = clock() - began
if enabled is None:
    sys.exit(f"{module} cannot be enabled")
imported = sorted(set(sys.modules) - before)
Path(report).write_text(json.dumps({"seconds": seconds, "imported": imported}), encoding="utf-8")
sys.stdout.flush()
os._exit(0)  # some versions of the module crash while the interpreter winds down
