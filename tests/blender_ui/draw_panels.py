# SPDX-License-Identifier: GPL-3.0-or-later
"""Run inside Blender: draw every panel in every state through a real layout; report what is in it.

The report: state → panel → what `UILayout.introspect` says.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy

sys.path.append(str(Path(__file__).parent))
from enabled import enable, part

enable()
from states import NOW, STATES, reset  # noqa: E402

time.time = lambda: NOW  # so that what is drawn twice is the same


class Layout:
    """A real layout, except that lists draw their rows by themselves: Blender's own lists crash without a region."""

    def __init__(self, real: Any) -> None:
        vars(self)["real"] = real

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.real, name)
        if name in ("row", "column", "split", "box"):
            return lambda **arguments: Layout(found(**arguments))
        return found

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.real, name, value)

    def template_list(self, kind: str, _id: str, data: Any, items: str, owner: Any, chosen: str, **_size: int) -> None:
        cls = getattr(bpy.types, kind)
        assert issubclass(cls, bpy.types.UIList) and isinstance(getattr(owner, chosen), int)
        for item in getattr(data, items):
            cls.draw_item(None, bpy.context, Layout(self.real), data, item, 0, owner, chosen)


def panels(real: Any) -> dict[str, Any]:
    """Draw everything; return what was drawn."""
    layout, context, drawn = Layout(real), bpy.context, {}
    for cls in part("ui.panels").CLASSES:
        own = layout.column()
        panel = SimpleNamespace(layout=own)
        if hasattr(cls, "draw_header_preset"):
            cls.draw_header_preset(panel, context)
        cls.draw(panel, context)
        drawn[cls.__name__] = own.introspect()
    for name in ("menus", "statusbar"):
        own = layout.column()
        part(f"ui.{name}")._draw(SimpleNamespace(layout=own), context)
        drawn[name] = own.introspect()
    own = layout.column()
    part("ui.preferences_layout").draw(own, context, part("ui.preferences").preferences())
    drawn["preferences"] = own.introspect()
    return drawn


def main(layout: Any) -> None:
    report = {}
    for name, set_up in STATES.items():
        reset()
        set_up()
        report[name] = panels(layout)
    Path(sys.argv[1]).write_text(json.dumps(report), encoding="utf-8")


def _in_popup(popup: Any, _context: Any) -> None:
    status = 1
    try:
        main(popup.layout)
        status = 0
    finally:
        if status:
            import traceback

            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


bpy.context.window_manager.popup_menu(_in_popup)
