# SPDX-License-Identifier: GPL-3.0-or-later
"""How a machine got to its first frame, in the panel: as it goes, and afterwards from its record."""

from __future__ import annotations

from pathlib import Path

from tests.gui.conftest import module
from tests.gui.driver import Driver
from tests.gui.test_panel import complaints
from tests.gui.test_render_in_cloud import JOB, SESSION, press_render
from tests.localcloud.cloud import Cloud

TABLES = f"{module('ui.timing_panel')}._tables({module('ui.jobs_panel')}.chosen_job(bpy.context))"


def unfold(studio: Driver) -> None:
    """Fold the other panels and unfold Jobs and Timing, as a user would have: before they are drawn at all."""
    studio.evaluate(
        f"for cls in {module('ui.panels')}.CLASSES:\n"
        "    name = cls.__name__.removeprefix('CLOUDRENDER_PT_view3d')\n"
        "    if name in ('_machine', '_frames', '_files', '_limits', '_cost', '_jobs', '_timing'):\n"
        "        bpy.utils.unregister_class(cls)\n"
        "        cls.bl_options = set() if name in ('_jobs', '_timing') else {'DEFAULT_CLOSED'}\n"
        "        bpy.utils.register_class(cls)"
    )


def steps(studio: Driver) -> list[list[str]]:
    """Return the rows of the one table that the panel shows."""
    [rows] = studio.evaluate(f"[[[row.name, row.at, row.took] for row in table.rows] for table in {TABLES}]")
    return [list(row) for row in rows]


def test_the_steps_to_the_first_frame_as_they_happen_and_afterwards(
    studio: Driver, cloud: Cloud, project: Path
) -> None:
    cloud.ssh_delay = 6.0
    studio.blender.start("--online-mode", str(project))
    unfold(studio)
    studio.evaluate("bpy.context.scene.frame_end = 2")
    studio.evaluate(f"{module('ui.preferences')}.preferences().setup_done = True")
    studio.open_tab("Cloud")
    press_render(studio)
    studio.wait_until(f"len({TABLES}) and len({TABLES}[0].rows) == 3", 60)
    _, (running, *_), (coming, counting, took) = steps(studio)
    assert (running, coming, took) == ("Running", "Answers", "") and counting.endswith(" s…")
    studio.screenshot("timing-starting")
    studio.wait_until(f"{JOB}.ended is not None", 120)
    studio.move_windows_aside(60, 640)
    studio.wait_until(f"not {SESSION}.busy")
    studio.screenshot("timing")
    rows = steps(studio)
    assert rows[0] == ["Launch", "0.0 s", "–"]
    assert {name for name, *_ in rows[1:]} == {
        "Running", "Answers", "Agent", "Blender", "Files", "First Sample", "First Frame",
    }  # fmt: skip
    assert all(at.endswith(" s") and took.endswith(" s") for _, at, took in rows[1:])
    answers = next(float(took.removesuffix(" s")) for name, _, took in rows if name == "Answers")
    assert 5 < answers < 60

    # From the record alone, as the next Blender has it.
    studio.evaluate(f"{SESSION}.driven.clear()\n{module('ui.lookups')}.refresh_summaries()")
    studio.wait_until(f"not {SESSION}.busy and len({SESSION}.summaries) == 1")
    assert steps(studio) == rows
    studio.screenshot("timing-recorded")
    assert not complaints(studio) and not cloud.leftovers()
