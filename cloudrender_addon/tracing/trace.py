# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender is started with: `blender -b … -P trace.py -- REQUEST.json`.

With bpy as a module it is `python trace.py -- REQUEST.json`. It is run as a plain file in a folder whose other files it
imports as one package.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    sys.path.insert(0, str(here.parent))
    session = importlib.import_module(f"{here.name}.session")
    sys.path.pop(0)
    session.main(Path(sys.argv[sys.argv.index("--") + 1]))
