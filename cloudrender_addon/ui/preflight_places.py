# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with where things are: the .blend, the folder for its frames, and the files it uses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import bpy

from ..backend.errors import CloudrenderError
from . import properties, texts
from .preflight_files import Fault, Findings, examine, unsaved_images
from .problem import Problem, error, refused, warning

if TYPE_CHECKING:
    from bpy.types import Context

_SECONDS = 0.5
_NAMED = 2  # file names in a problem's one line

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


def place_problems(context: Context) -> Iterator[Problem]:
    """Yield what is wrong with where the file is, where its frames go, and where what it uses is."""
    project = Path(bpy.data.filepath).parent if bpy.data.filepath else None
    yield from _folder_problems(context, project)
    yield from _content_problems(context, project)


def _folder_problems(context: Context, project: Path | None) -> Iterator[Problem]:
    from ..backend.assets.concerns import preliminary_concerns  # noqa: PLC0415 - platformdirs

    output = properties.output_folder(context)
    folder_alone = properties.send(context) == "folder"
    lost = ["its frames go to a temporary folder"] if output.startswith("//") else []
    if project is None and folder_alone:
        lost.insert(0, "only what is packed into it is sent")
    if project is None and lost:
        yield warning(
            f"The file was never saved: {', and '.join(lost)}",
            "Save it in a folder of its own first",
            "wm.save_mainfile",
        )
    elif project is not None and folder_alone:
        everything = project == project.parent or Path.home().resolve().is_relative_to(project.resolve())
        for concern in preliminary_concerns(project):
            # The whole folder of the file is sent.
            fix = "Save the file in a folder of its own, with only what it uses"
            make = error if everything else warning
            yield make(concern.rstrip("."), fix, "wm.save_as_mainfile")
    if project is not None or not output.startswith("//"):
        folder = Path(bpy.path.abspath(output))
        if not _can_be_written(folder):
            yield error(f"Frames cannot be written to {folder}", "Choose another output folder in the Frames panel")


def _can_be_written(folder: Path) -> bool:
    """Tell whether the folder is there, or can be made, for this user."""
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def _content_problems(context: Context, project: Path | None) -> Iterator[Problem]:
    unsaved = unsaved_images()
    if unsaved:
        yield warning(
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
    except CloudrenderError as cause:
        yield refused(cause)


def _file_problems(findings: Findings) -> Iterator[Problem]:
    for fault, (what, fix, operator) in _FILE_PROBLEMS.items():
        files = findings.faults.get(fault, ())
        if files:
            missing = findings.missing if fault is Fault.MISSING else ()
            verb = "file is" if len(files) == 1 else "files are"
            names = [Path(file.path).name for file in files]
            lines = [f"{file.path} ({file.owner})" if file.owner else file.path for file in files]
            text = f"{len(files):,} {verb} {what}: {_named(names)}"
            yield replace(warning(text, fix, operator, texts.listed(lines)), missing=missing)
    if findings.not_looked_at:
        yield warning(
            f"{findings.not_looked_at:,} of the files it uses were not looked at, as that takes too long",
            "Check them with File > External Data > Report Missing Files",
            "file.report_missing_files",
        )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
