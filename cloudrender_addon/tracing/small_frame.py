# SPDX-License-Identifier: GPL-3.0-or-later
"""What a background Blender is started with to render a small frame: `… -P small_frame.py -- REQUEST.json`.

See `small_render.py` for the request and its result.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

if __name__ == "__main__":
    package = Path(__file__).resolve().parents[1]
    sys.path.insert(0, str(package.parent))
    small_render = importlib.import_module(f"{package.name}.tracing.small_render")
    sys.path.pop(0)  # nothing that lies beside the package is to shadow a module of Blender's
    small_render.main(Path(sys.argv[sys.argv.index("--") + 1]))
