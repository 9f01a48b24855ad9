# SPDX-License-Identifier: GPL-3.0-or-later
"""The frames of a job in Blender's Image Editor: each as it comes, the animation once it is there.

A user who closes the editor is left in peace: a job is put on the screen once in every file that is open meanwhile,
which the window manager notes. (Its properties outlast undo and end when another file is loaded, as editors do.)
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
from bpy.app.handlers import persistent

from ..backend.errors import RecordError
from . import result_editors, result_image

if TYPE_CHECKING:
    from bpy.types import Context

    from ..backend.job.folder import JobFolder
    from .session import DrivenJob

_PLACED = "cloudrender_placed"
_UNDONE = "cloudrender_shown"


def show_frames(job: DrivenJob, *, frame: int) -> None:
    """Show a frame that has arrived, by the user's preference for renders. For the main thread. Raises RuntimeError."""
    path = result_image.picture(job.saved[frame], frame=frame)
    if path is None or _unwanted():
        return
    if job.ended is None:  # the timeline would take the picture away with every frame that the user looks at
        _stop_following()
    image = result_image.show(path, job=job.folder.path)
    manager: Any = bpy.context.window_manager
    if manager.get(_PLACED) != job.folder.job_id:
        manager[_PLACED] = job.folder.job_id
        result_editors.place(image, new_window=False)


def show_end(job: DrivenJob) -> None:
    """Leave the last frame in view until the user moves along the timeline: the animation follows that then."""
    image = result_image.find()
    if image is not None and result_image.job_folder(image) == job.folder.path:
        _follow_timeline()


def show_result(folder: JobFolder, context: Context) -> str | None:
    """Show what is on disk of a job, in a new window if need be; return why that cannot be, None if it can."""
    try:
        files = _files(folder)
    except RecordError as error:
        return error.message
    if not files:
        return "No frame of this job is on this computer"
    frame = context.scene.frame_current if context.scene else 0
    path = files.get(frame) or files[max(files)]
    try:
        image = result_image.show(path, job=folder.path)
    except RuntimeError as error:
        return f"{path} cannot be shown: {error}"
    result_editors.place(image, new_window=True)
    _follow_timeline()
    return None


def _unwanted() -> bool:
    """Tell whether the user wants renders not to be shown, and has not opened this one by hand."""
    image = result_image.find()
    hidden = image is None or not result_editors.showing(image)
    return hidden and result_editors.display_type() == "NONE"


def _files(folder: JobFolder) -> dict[int, Path]:
    """Return the file to look at of each frame on disk. Raises `RecordError`."""
    output = folder.load().spec.output
    found = {
        number: result_image.picture([output / name for name in saved.files], frame=number)
        for number, saved in folder.saved_frames(output).items()
    }
    return {number: path for number, path in found.items() if path is not None}


# -- along the timeline --------------------------------------------------------------------------------


def _follow_timeline() -> None:
    _stop_following()
    bpy.app.handlers.frame_change_post.append(_on_frame_change)


def _stop_following() -> None:
    if _on_frame_change in bpy.app.handlers.frame_change_post:
        bpy.app.handlers.frame_change_post.remove(_on_frame_change)


def _on_frame_change(*_: object) -> None:
    """Turn the still into the animation, once: from then on Blender itself follows the timeline."""
    from ..backend.job.folder import JobFolder  # noqa: PLC0415 - filelock; whoever has a job has loaded it

    if result_editors.rendering_here():
        return  # Blender renders, in a thread of its own, whose frames these are
    _stop_following()
    image = result_image.find()
    if image is None:
        return
    try:
        files = _files(JobFolder(result_image.job_folder(image)))
    except RecordError:
        return  # the job was forgotten meanwhile; its last frame stays in view
    users = [space.image_user for space in result_editors.showing(image)]
    result_image.show_sequence(image, files, users=users)


# -- undo ----------------------------------------------------------------------------------------------


@persistent  # type: ignore[untyped-decorator]
def _before_undo(*_: object) -> None:
    """Note what is shown where: a step back in time takes the image back, too, or away."""
    manager: Any = bpy.context.window_manager
    manager.pop(_UNDONE, None)
    image = result_image.find()
    shown = [n for n, space in enumerate(result_editors.spaces()) if space.image == image]
    if image is not None and shown:
        job = str(result_image.job_folder(image))
        manager[_UNDONE] = {"file": image.filepath, "source": image.source, "job": job, "editors": shown}


@persistent  # type: ignore[untyped-decorator]
def _after_undo(*_: object) -> None:
    """Show the same as before."""
    manager: Any = bpy.context.window_manager
    noted = manager.get(_UNDONE)
    if noted is None:
        return
    try:
        image = result_image.show(Path(noted["file"]), job=Path(noted["job"]))
    except RuntimeError:
        return  # the file was deleted meanwhile: there is nothing to show any more
    image.source = noted["source"]  # what a sequence needs besides is in the editors, which undo leaves alone
    spaces = result_editors.spaces()
    for number in noted["editors"]:
        spaces[number].image = image


def _handlers() -> tuple[tuple[Any, Any], ...]:
    lists = bpy.app.handlers
    return (
        (lists.undo_pre, _before_undo),
        (lists.undo_post, _after_undo),
        (lists.redo_pre, _before_undo),
        (lists.redo_post, _after_undo),
    )


def register() -> None:
    """Stay with what is shown through undo and redo."""
    for handlers, handler in _handlers():
        handlers.append(handler)


def unregister() -> None:
    """Let Blender alone."""
    _stop_following()
    for handlers, handler in _handlers():
        if handler in handlers:
            handlers.remove(handler)
