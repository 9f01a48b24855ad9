# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel, twice: in the sidebar of the 3D Viewport and in the Output properties. Nothing but drawing."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Any

import bpy

from ..backend.errors import UsageError
from ..backend.job.frames import counted
from . import (
    drawing,
    files_panel,
    jobs_panel,
    machine_texts,
    main_row,
    panel_parts,
    progress_texts,
    properties,
    texts,
    timing_panel,
)
from .preferences import preferences
from .session import SESSION

if TYPE_CHECKING:
    from bpy.types import Context

    from ..backend.aws.choices import MachineChoice


@functools.cache
def _choice(machine_type: str) -> MachineChoice | None:
    from ..backend.aws.choices import CHOICES  # noqa: PLC0415 - of no use before somebody looks

    return next((choice for choice in CHOICES if choice.name == machine_type), None)


class _Part:
    """A panel's drawing; `_place` makes a panel of it."""

    layout: Any


class _Main(_Part):
    bl_label = "Render in Cloud"

    def draw_header_preset(self, _context: Context) -> None:
        """Draw the gear."""
        main_row.open_preferences(self.layout, text="", emboss=False)

    def draw(self, context: Context) -> None:
        """Draw the row that changes its role."""
        main_row.draw(self.layout, context)


class _Machine(_Part):
    bl_label = "Machine"

    def draw(self, context: Context) -> None:
        """Draw type and purchase, and what they mean."""
        layout = drawing.split(self.layout)
        scene: Any = context.scene
        layout.prop(scene.cloudrender, "machine_type")
        name = properties.machine_types(context)[0]
        choice = _choice(name)
        about = layout.column(align=True)
        drawing.fact(about, "GPU", machine_texts.gpu(choice) if choice else "Not in the list")
        drawing.fact(about, "Processor", machine_texts.processor(choice) if choice else "Not in the list")
        layout.prop(scene.cloudrender, "more_types", placeholder="Other Types")
        layout.prop(scene.cloudrender, "purchase")
        prices = layout.column(align=True)
        quote = SESSION.quotes.get(name)
        if "quotes" in SESSION.busy:
            drawing.fact(prices, "Spot", "Asking…")
        elif quote:
            row = drawing.fact(prices, "Spot", machine_texts.price(quote, "spot") or "Not known")
            row.operator("cloudrender.refresh_prices", text="", icon="FILE_REFRESH", emboss=False)
        else:
            drawing.value(prices, "Spot").operator("cloudrender.refresh_prices", text="Get Prices", icon="FILE_REFRESH")
        drawing.fact(prices, "On-Demand", machine_texts.price(quote, "on-demand") or "–")
        if SESSION.quotes_error:
            drawing.paragraph(layout, context, SESSION.quotes_error, icon="ERROR")


class _Frames(_Part):
    bl_label = "Frames"

    def draw(self, context: Context) -> None:
        """Draw which frames are rendered, and where they go."""
        layout = drawing.split(self.layout)
        scene: Any = context.scene
        settings = scene.cloudrender
        layout.prop(settings, "frames")
        column = layout.column(align=True)
        column.enabled = settings.frames == "SCENE"
        column.prop(scene, "frame_start", text="Start")
        column.prop(scene, "frame_end", text="End")
        column.prop(scene, "frame_step", text="Step")
        column = layout.column()
        column.enabled = settings.frames == "CUSTOM"
        column.prop(settings, "custom_frames", placeholder="1-50, 60, 70-90x2")
        try:
            frames = properties.frame_numbers(scene, animation=True)
            drawing.fact(layout, "Renders", counted(len(frames)))
        except UsageError as error:
            drawing.paragraph(layout, context, error.message, icon="ERROR")
        layout.prop(settings, "output")


class _Files(_Part):
    bl_label = "Files"

    def draw(self, context: Context) -> None:
        """Draw which files are sent, and whether they are all that is needed."""
        files_panel.draw(self.layout, context)


class _Limits(_Part):
    bl_label = "Limits"
    bl_options = frozenset({"DEFAULT_CLOSED"})

    def draw(self, context: Context) -> None:
        """Draw what ends a job early."""
        layout = drawing.split(self.layout)
        scene: Any = context.scene
        layout.prop(scene.cloudrender, "max_cost")
        layout.prop(scene.cloudrender, "max_hours")
        layout.prop(preferences(), "wait_minutes")
        layout.prop(preferences(), "max_launches")
        layout.prop(preferences(), "on_quit")


class _Cost(_Part):
    bl_label = "Cost"

    def draw(self, context: Context) -> None:
        """Draw the estimate; while a job runs, what it has cost and will have cost."""
        rows = self.layout.column(align=True)
        job = SESSION.job
        if job is None:
            for label, frames in (("Image", 1), ("Animation", panel_parts.frame_count(context))):
                drawing.fact(rows, label, texts.short_estimate(panel_parts.expectation(context, frames=frames)))
        elif job.ended is None:
            now = time.time()
            drawing.fact(rows, "So Far", texts.money(job.progress.cost_usd(now)))
            usd, data = main_row.projected(job, now), main_row.projected_data_out(job)
            drawing.fact(rows, "In All", progress_texts.in_all(usd, data_out_usd=data))
        else:
            drawing.fact(rows, "In All", texts.money(job.ended.cost_usd))
            drawing.fact(rows, "A Frame", progress_texts.in_all(job.ended.cost_per_frame_usd))
        drawing.fact(rows, "Limit", texts.short_limits(properties.max_cost(context), properties.max_hours(context)))


class _Jobs(_Part):
    bl_label = "Jobs"
    bl_options = frozenset({"DEFAULT_CLOSED"})

    def draw(self, context: Context) -> None:
        """Draw the list of jobs and what can be done with the chosen one."""
        jobs_panel.draw(self.layout, context)


class _Timing(_Part):
    bl_label = "Timing"
    bl_options = frozenset({"DEFAULT_CLOSED"})
    inside = "_jobs"

    def draw(self, context: Context) -> None:
        """Draw how soon the machines of the chosen job were at work."""
        timing_panel.draw(self.layout, context)


def _place(infix: str, *, closed: bool = False, **where: str) -> tuple[type, ...]:
    """Return the classes of all panels at one place of the screen; `closed`: only the first is open at first."""
    parent = f"CLOUDRENDER_PT_{infix}"
    panels = [type(parent, (_Main, bpy.types.Panel), {**where, "bl_idname": parent})]
    for part in (_Machine, _Frames, _Files, _Limits, _Cost, _Jobs, _Timing):
        name = f"{parent}{part.__name__.lower()}"
        within = parent + getattr(part, "inside", "")
        options = {"DEFAULT_CLOSED"} if closed else set(getattr(part, "bl_options", ()))
        panels.append(
            type(
                name,
                (part, bpy.types.Panel),
                {**where, "bl_idname": name, "bl_parent_id": within, "bl_options": options},
            )
        )
    return tuple(panels)


CLASSES = (
    *_place("view3d", bl_space_type="VIEW_3D", bl_region_type="UI", bl_category="Cloud"),
    *_place("output", closed=True, bl_space_type="PROPERTIES", bl_region_type="WINDOW", bl_context="output"),
)
