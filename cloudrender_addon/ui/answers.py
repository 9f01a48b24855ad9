# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator answers Blender: as a type, and when it cannot do what it is for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ..backend.errors import CloudrenderError

if TYPE_CHECKING:
    from bpy.types import Context

Answer = set[Literal["RUNNING_MODAL", "CANCELLED", "FINISHED", "PASS_THROUGH", "INTERFACE"]]


def refuse(operator: Any, error: CloudrenderError, *, level: Literal["ERROR", "WARNING"] = "ERROR") -> Answer:
    """Report cause and next step, and answer that nothing was done."""
    operator.report({level}, f"{error.message}. {error.hint}" if error.hint else error.message)
    return {"CANCELLED"}


class Refusing:
    """Part of an operator that says why it cannot do what `act` is to do. Raise `CloudrenderError` there."""

    def act(self, context: Context) -> Answer:
        """Do what the operator is for."""
        raise NotImplementedError

    def execute(self, context: Context) -> Answer:
        """Do it, or say why not."""
        try:
            return self.act(context)
        except CloudrenderError as error:
            return refuse(self, error)
