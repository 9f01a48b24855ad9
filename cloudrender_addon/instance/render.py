# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender is started with: `blender -b FILE -P render.py -- PLAN WORK`.

It is run as a plain file in ROOT/agent, whose other files it imports as one package.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    sys.path.insert(0, str(here.parent))
    in_blender = importlib.import_module(f"{here.name}.in_blender")
    sys.path.pop(0)  # nothing of the machine's folder is to shadow a module of the .blend's own scripts
    in_blender.main(*(Path(argument) for argument in sys.argv[sys.argv.index("--") + 1 :]))
