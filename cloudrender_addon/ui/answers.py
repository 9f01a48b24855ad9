# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator answers Blender, as a type."""

from __future__ import annotations

from typing import Literal

Answer = set[Literal["RUNNING_MODAL", "CANCELLED", "FINISHED", "PASS_THROUGH", "INTERFACE"]]
