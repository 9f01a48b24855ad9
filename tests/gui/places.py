# SPDX-License-Identifier: GPL-3.0-or-later
"""Run inside Blender by the driver: where things are in the window, in pixels of the screen, from the top left."""

import bpy

MARGIN = 12


def area(kind, window=None):
    """Return the largest area of this type."""
    window = window or bpy.context.window_manager.windows[0]
    found = [area for area in window.screen.areas if kind in (area.type, area.ui_type)]
    return max(found, key=lambda area: area.width * area.height)


def region(kind, name="WINDOW"):
    """Return the region of this type in the largest area of this type."""
    return next(region for region in area(kind).regions if region.type == name)


def place(kind, name="WINDOW", across=0.5, down=0.5):
    """Return a point of a region: (0, 0) is its top left corner, (1, 1) the bottom right one."""
    found = region(kind, name)
    window = bpy.context.window_manager.windows[0]
    x = found.x + across * (found.width - 1)
    y = found.y + (1 - down) * (found.height - 1)
    return [round(x), round(window.height - 1 - y)]


def rectangle(kind, name="WINDOW"):
    """Return left, top, right and bottom of a region."""
    return [*place(kind, name, 0, 0), *place(kind, name, 1, 1)]


def under_mouse(kind, name="WINDOW"):
    """Return what the button under the mouse is for: "render.render(animation=True)", "resolution_x", or None."""
    manager = bpy.context.window_manager
    with bpy.context.temp_override(window=manager.windows[0], area=area(kind), region=region(kind, name)):
        if bpy.context.property:
            return bpy.context.property[1].rpartition(".")[2]
        if not bpy.ops.ui.copy_python_command_button.poll():
            return None
        before = manager.clipboard
        bpy.ops.ui.copy_python_command_button()
        command, manager.clipboard = manager.clipboard, before
        return command.removeprefix("bpy.ops.")


def show_tab(kind, name):
    """Open the sidebar of the largest such area with this tab; True when it shows."""
    found = area(kind)
    if not found.spaces.active.show_region_ui:
        found.spaces.active.show_region_ui = True
        return False
    sidebar = region(kind, "UI")
    if sidebar.width <= MARGIN or sidebar.active_panel_category == "UNSUPPORTED":  # not drawn yet
        return False
    if sidebar.active_panel_category != name:
        sidebar.active_panel_category = name
        sidebar.tag_redraw()
        return False
    return True
