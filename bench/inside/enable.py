# SPDX-License-Identifier: GPL-3.0-or-later
"""enable.py MODULE REPORT, in a fresh Blender: enable this add-on alone; report seconds and the modules imported.

"collecting" are those of the seconds in which Python looked for garbage through all that Blender's own scripts have
made. It does that when its counts are full, whoever is at work then: an add-on pays in one version and not in the next.

As Blender does at its start, which looks after the extensions' wheels once for all of them, before it enables any: each
time for the same extensions, whichever is measured, as it would take away the wheels of the others and unpack them anew
for the next process (measured: enabling right after that takes twice as long, of which users see nothing but once).
The clock stands still while the process could run but others had the cores.
"""

import gc
import json
import os
import sys
import time
from pathlib import Path

import bpy  # noqa: F401 - makes the next one be found

import addon_utils  # isort: skip

EXTENSION = "bl_ext.user_default.cloudrender"


def clock():
    """Return seconds, without those that the main thread waited for a core."""
    return time.perf_counter() - int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9


def on_collection(phase, info):
    """Add up the time of full collections."""
    if info["generation"] == 2:
        collecting[0] += clock() if phase == "stop" else -clock()


module, report = sys.argv[1:]
collecting = [0.0]
gc.callbacks.append(on_collection)
addon_utils.extensions_refresh(addon_modules_pending=[EXTENSION, module])
before = set(sys.modules)
collecting[0] = 0.0
began = clock()
enabled = addon_utils.enable(module, refresh_handled=True)
seconds = clock() - began
if enabled is None:
    sys.exit(f"{module} cannot be enabled")
imported = sorted(set(sys.modules) - before)
Path(report).write_text(
    json.dumps({"seconds": seconds, "collecting": collecting[0], "imported": imported}), encoding="utf-8"
)
sys.stdout.flush()
os._exit(0)  # some versions of the module crash while the interpreter winds down
