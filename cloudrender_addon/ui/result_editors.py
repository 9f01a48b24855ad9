# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Image Editor shows the result: one that shows it already, else a free one, else a new window."""

from __future__ import annotations

from typing import Any

import bpy


def spaces() -> list[Any]:
    """Return the spaces of all open Image and UV Editors, always in the same order while they stay open."""
    return [area.spaces.active for area in _image_editors()]


def showing(image: Any) -> list[Any]:
    """Return the spaces that show the image."""
    return [space for space in spaces() if space.image == image]


def place(image: Any, *, new_window: bool) -> None:
    """See to it that an editor shows the image; `new_window`: also where the user wants none for renders."""
    display = display_type()
    if showing(image) or (display == "NONE" and not new_window):
        return
    area = _free_editor(display) or _new_window(display)
    if area is not None:
        area.spaces.active.image = image
        _fit(area)


def display_type() -> str:
    """Return where the user wants renders to be shown: NONE, AREA, SCREEN or WINDOW."""
    preferences: Any = bpy.context.preferences
    return str(preferences.view.render_display_type)


def rendering_here() -> bool:
    """Tell whether this Blender itself renders at the moment."""
    app: Any = bpy.app
    return bool(app.is_job_running("RENDER"))


def _image_editors() -> list[Any]:
    """Return the areas with an Image or UV Editor, largest first."""
    manager: Any = bpy.context.window_manager
    areas = [area for window in manager.windows for area in window.screen.areas]
    return sorted((area for area in areas if area.type == "IMAGE_EDITOR"), key=_size, reverse=True)


def _size(area: Any) -> int:
    return int(area.width * area.height)


def _free_editor(display: str) -> Any:
    """Return an area to show a render in, None if none is to be had.

    As for F12, an editor with an image of the user's is not free, unless the user wants no windows for renders. No
    other kind of editor is taken over: this comes minutes later, in the middle of what the user does there.
    """
    viewing = [area for area in _image_editors() if _is_for_viewing(area)]
    free = [area for area in viewing if _shows_nothing_else(area.spaces.active.image)]
    if display in ("AREA", "SCREEN"):
        free += viewing
    return free[0] if free else None


def _is_for_viewing(area: Any) -> bool:
    """Tell whether the user neither paints there, nor unwraps, nor has pinned the image."""
    space = area.spaces.active
    return bool(area.ui_type == "IMAGE_EDITOR" and space.mode == "VIEW" and not space.use_image_pin)


def _shows_nothing_else(image: Any) -> bool:
    return image is None or (image.source == "VIEWER" and not rendering_here())


def _new_window(display: str) -> Any:
    """Open a window with an Image Editor and return its area; None where there are no windows."""
    if bpy.app.background:
        return None
    manager: Any = bpy.context.window_manager
    before = {window.as_pointer() for window in manager.windows}
    parent = next((window for window in manager.windows if window.parent is None), manager.windows[0])
    with bpy.context.temp_override(window=parent):
        if display == "WINDOW" and not _image_editors():
            # The very window of F12: as large as the render, closed by ESC, used again by the next render. (With an
            # Image Editor somewhere this might bring that one to the front instead.)
            bpy.ops.render.view_show("INVOKE_DEFAULT")
        else:
            bpy.ops.wm.window_new()
    window = next((window for window in manager.windows if window.as_pointer() not in before), None)
    if window is None:
        return None
    area = max(window.screen.areas, key=_size)
    area.ui_type = "IMAGE_EDITOR"
    return area


def _fit(area: Any) -> None:
    """Zoom out until all of the image is seen."""
    if bpy.app.background:
        return
    manager: Any = bpy.context.window_manager
    window = next(window for window in manager.windows if area in window.screen.areas[:])
    region = next(region for region in area.regions if region.type == "WINDOW")
    with bpy.context.temp_override(window=window, area=area, region=region):
        bpy.ops.image.view_all()
