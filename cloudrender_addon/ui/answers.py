# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator answers Blender: as a type, and when it cannot do what it is for."""

from __future__ import annotations

from typing import Any, Literal

from ..backend.errors import CloudrenderError

Answer = set[Literal["RUNNING_MODAL", "CANCELLED", "FINISHED", "PASS_THROUGH", "INTERFACE"]]


def refuse(operator: Any, error: CloudrenderError, *, level: Literal["ERROR", "WARNING"] = "ERROR") -> Answer:
    """Report cause and next step, and answer that nothing was done."""
    operator.report({level}, f"{error.message}. {error.hint}" if error.hint else error.message)
    return {"CANCELLED"}
