# SPDX-License-Identifier: GPL-3.0-or-later
"""Run inside Blender: what the preflight says of files that have something wrong with them."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
import preflight_places_cases
import preflight_scene_cases
from cases import run
from enabled import enable

enable()
run(vars(preflight_scene_cases) | vars(preflight_places_cases))
