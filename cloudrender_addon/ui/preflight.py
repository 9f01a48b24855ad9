# SPDX-License-Identifier: GPL-3.0-or-later
"""What would go wrong with a cloud render of the open file, and how to put it right: found before any money is spent.

Nothing is changed, neither in the file nor on disk, and no network is used.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import bpy

from ..backend.errors import CloudrenderError
from . import compat, properties, texts
from .online import OFFLINE
from .preflight_files import Fault, Findings, examine, unsaved_images
from .session import SESSION

if TYPE_CHECKING:
    from bpy.types import Context

    from .addons import Need

_SECONDS = 0.5
_NAMED = 2  # file names in a problem's one line

_ENGINE_LABELS = {"CYCLES": "Cycles", compat.EEVEE: "EEVEE", "BLENDER_WORKBENCH": "Workbench"}

# What befalls files, and what to do about it.
_FILE_PROBLEMS: dict[Fault, tuple[str, str, str]] = {
    Fault.MISSING: ("missing", "Find them with File > External Data > Find Missing Files", "file.find_missing_files"),
    Fault.LEFT_OUT: (
        "used, but never sent",
        "Move them elsewhere if they hold no keys or passwords, and do not name them in .cloudrenderignore",
        "",
    ),
    Fault.KEPT_BACK: (
        "in the project folder, but never sent",
        "Move them out of the output folder, and do not name them in .cloudrenderignore",
        "",
    ),
    Fault.OUTSIDE: (
        "not in the project folder, so not sent",
        "Choose Used Files in the Files panel, or move them into the folder of the .blend file",
        "",
    ),
    Fault.ABSOLUTE: (
        "used by an absolute path, which does not exist on the machine",
        "Choose Used Files in the Files panel, or use File > External Data > Make Paths Relative",
        "file.make_paths_relative",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong, and the next step, each in a line. An ERROR is in the way, a WARNING is for the user.

    `operator` puts it right, or leads there ("" if none does). `names` are lines about each thing concerned. `missing`
    are paths of files that are not there: who goes on all the same renders without.
    """

    level: Literal["ERROR", "WARNING"]
    text: str
    fix: str
    operator: str = ""
    names: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def find_problems(context: Context, *, animation: bool) -> tuple[Problem, ...]:
    """Return what is wrong, errors first. Looks at files on disk for about half a second at most."""
    from .addons import needed_addons  # noqa: PLC0415 - of no use when enabling

    project = Path(bpy.data.filepath).parent if bpy.data.filepath else None
    scene: Any = context.scene
    needs = needed_addons(scene)
    problems = [
        *_scene_problems(context, animation=animation),
        *_engine_problems(scene.render.engine, properties.machine_types(context), needs),
        *_addon_problems(needs),
        *_place_problems(context, project),
        *_content_problems(context, project),
    ]
    return tuple(sorted(problems, key=lambda problem: problem.level))  # "ERROR" before "WARNING"


def _error(text: str, fix: str, operator: str = "") -> Problem:
    return Problem(level="ERROR", text=text, fix=fix, operator=operator)


def _warning(text: str, fix: str, operator: str = "", names: tuple[str, ...] = ()) -> Problem:
    return Problem(level="WARNING", text=text, fix=fix, operator=operator, names=names)


def _refused(error: CloudrenderError) -> Problem:
    return _error(error.message, error.hint.rstrip("."))


# -- what is to be rendered ----------------------------------------------------------------------------


def _scene_problems(context: Context, *, animation: bool) -> Iterator[Problem]:
    from ..instance.blend_file import has_picture  # noqa: PLC0415 - ctypes, which is of no use when enabling

    scene: Any = context.scene
    if not bpy.app.online_access:
        operator = "" if bpy.app.online_access_override else "extensions.userpref_allow_online"
        yield _error(OFFLINE.message, OFFLINE.hint, operator)
    if not has_picture(scene):
        yield _error("The scene has no camera", "Add one with Add > Camera, and make it active with View > Cameras")
    yield from _machine_problems(properties.machine_types(context))
    yield from _version_problems(bpy.app)
    try:
        properties.frame_numbers(scene, animation=animation)
    except CloudrenderError as error:
        yield _refused(error)
    if animation and scene.render.is_movie_format:
        yield _warning(
            "The output is a movie: its frames are rendered as PNG images, to be made a movie afterwards",
            "Choose an image format in the Output properties if PNG does not suit you",
        )
    if bpy.app.autoexec_fail:
        yield _warning(
            "Python scripts and drivers of this file are blocked, there as they are here",
            "If you trust the file, open it again and choose Allow Execution",
        )


def _machine_problems(names: tuple[str, ...]) -> Iterator[Problem]:
    """Say of each type whether there can be such a machine, by its name and by the prices that were asked for."""
    listed = any(quote.on_demand_usd is not None for quote in SESSION.quotes.values())
    for name in names:
        quote = SESSION.quotes.get(name)
        if not re.fullmatch(r"[a-z][a-z0-9-]*\.[a-z0-9-]+", name):
            yield _error(f"{name} is not the name of a machine type", "Choose one in the Machine panel")
        elif listed and quote is not None and quote.spot_usd is None and quote.on_demand_usd is None:
            yield _error(
                f"{name} is not to be had: Amazon has no price for it in this region",
                "Choose another type in the Machine panel, or another region in the preferences",
            )


def _version_problems(app: Any) -> Iterator[Problem]:
    if app.version_cycle != "release":
        series = ".".join(map(str, app.version[:2]))
        yield _warning(
            f"This is Blender {app.version_string}: the machine renders with the newest release of {series}, if any",
            "Use a released Blender, to be sure of the same picture",
        )


def _engine_problems(engine: str, machine_types: tuple[str, ...], needs: tuple[Need, ...]) -> Iterator[Problem]:
    from .addons import brings_engine  # noqa: PLC0415 - of no use when enabling

    label = _ENGINE_LABELS.get(engine)
    without = [name for name in machine_types if not _has_gpu(name)]
    if label is None and not brings_engine(needs, engine):
        yield _error(
            f"The render engine {engine} is not part of Blender, and not on the machine",
            "Choose Cycles, EEVEE or Workbench in the Render properties",
        )
    elif label is not None and engine != "CYCLES" and without:
        yield _warning(
            f"{label} needs a GPU, which {without[0]} does not have: it is slow there or fails",
            "Choose a machine with a GPU, such as g4dn.xlarge, or render with Cycles",
        )


def _addon_problems(needs: tuple[Need, ...]) -> Iterator[Problem]:
    for need in needs:
        if need.installed.obstacle:
            yield _warning(
                f"The add-on {need.installed.name} is not sent: {need.installed.obstacle}",
                "Bake or apply what it does, or the frames will look different",
                names=(f"Used for {need.purpose}",),
            )


def _has_gpu(machine_type: str) -> bool:
    from ..backend.aws.choices import CHOICES  # noqa: PLC0415 - of no use when enabling

    for choice in CHOICES:
        if choice.name == machine_type:
            return bool(choice.gpu)
    return machine_type.startswith(("g", "p"))  # Amazon's families of machines with GPUs


# -- where it is, and where frames go ------------------------------------------------------------------


def _place_problems(context: Context, project: Path | None) -> Iterator[Problem]:
    from ..backend.assets.concerns import preliminary_concerns  # noqa: PLC0415 - platformdirs

    output = properties.output_folder(context)
    folder_alone = properties.send(context) == "folder"
    lost = ["its frames go to a temporary folder"] if output.startswith("//") else []
    if project is None and folder_alone:
        lost.insert(0, "only what is packed into it is sent")
    if project is None and lost:
        yield _warning(
            f"The file was never saved: {', and '.join(lost)}",
            "Save it in a folder of its own first",
            "wm.save_mainfile",
        )
    elif project is not None and folder_alone:
        everything = project == project.parent or Path.home().resolve().is_relative_to(project.resolve())
        for concern in preliminary_concerns(project):
            # The whole folder of the file is sent.
            fix = "Save the file in a folder of its own, with only what it uses"
            make = _error if everything else _warning
            yield make(concern.rstrip("."), fix, "wm.save_as_mainfile")
    if project is not None or not output.startswith("//"):
        folder = Path(bpy.path.abspath(output))
        if not _can_be_written(folder):
            yield _error(f"Frames cannot be written to {folder}", "Choose another output folder in the Frames panel")


def _can_be_written(folder: Path) -> bool:
    """Tell whether the folder is there, or can be made, for this user."""
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


# -- what it is made of --------------------------------------------------------------------------------


def _content_problems(context: Context, project: Path | None) -> Iterator[Problem]:
    unsaved = unsaved_images()
    if unsaved:
        yield _warning(
            f"{_counted(len(unsaved), 'image')} with unsaved changes: {_named(unsaved)}",
            "Save them with Image > Save All Images in an Image Editor, or pack them",
            "image.save_all_modified",
            texts.listed(unsaved),
        )
    output = Path(bpy.path.abspath(properties.output_folder(context)))
    try:
        folder_alone = properties.send(context) == "folder"
        findings = examine(project, folder_alone=folder_alone, outputs=(output,), seconds=_SECONDS)
        yield from _file_problems(findings)
    except CloudrenderError as error:
        yield _refused(error)


def _file_problems(findings: Findings) -> Iterator[Problem]:
    for fault, (what, fix, operator) in _FILE_PROBLEMS.items():
        files = findings.faults.get(fault, ())
        if files:
            missing = findings.missing if fault is Fault.MISSING else ()
            verb = "file is" if len(files) == 1 else "files are"
            names = [Path(file.path).name for file in files]
            lines = [f"{file.path} ({file.owner})" if file.owner else file.path for file in files]
            text = f"{len(files):,} {verb} {what}: {_named(names)}"
            yield replace(_warning(text, fix, operator, texts.listed(lines)), missing=missing)
    if findings.not_looked_at:
        yield _warning(
            f"{findings.not_looked_at:,} of the files it uses were not looked at, as that takes too long",
            "Check them with File > External Data > Report Missing Files",
            "file.report_missing_files",
        )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
