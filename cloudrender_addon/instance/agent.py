# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent's command line: `python3 agent.py COMMAND`; `commands.py` says which there are.

It is run as a plain file in ROOT/agent, whose other files it imports as one package.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    sys.path[0] = str(here.parent)
    commands = importlib.import_module(f"{here.name}.commands")
    raise SystemExit(commands.main(sys.argv[1:], root=here.parent))
