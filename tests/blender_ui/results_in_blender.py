# SPDX-License-Identifier: GPL-3.0-or-later
"""Run inside Blender: what the Image Editor shows of a job. Windows and real undo are for the tests with a window."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import bpy

sys.path.append(str(Path(__file__).parent))
from cases import run
from enabled import enable, part

enable()
results, image_room = part("ui.results"), part("ui.result_image")
spec_room, record_room = part("backend.job.spec"), part("backend.job.record")
ev, frames_room = part("backend.job.events"), part("backend.job.frames")


def still(path: Path) -> Path:
    """Write a PNG of 4 x 4 pixels."""
    path.parent.mkdir(exist_ok=True)
    image = bpy.data.images.new("still", 4, 4)
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    bpy.data.images.remove(image)
    return path


def rendered(path: Path, file_format: str) -> Path:
    """Render an image of 8 x 8 pixels."""
    scene = bpy.data.scenes.new("rendered")
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising = 1, False
    scene.render.resolution_x = scene.render.resolution_y = 8
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "MULTI_LAYER_IMAGE" if "MULTILAYER" in file_format else "IMAGE"
    settings.file_format = file_format
    scene.view_layers[0].use_pass_z = True
    scene.camera = bpy.data.objects["Camera"]
    scene.collection.objects.link(scene.camera)
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True, scene=scene.name)
    bpy.data.scenes.remove(scene)
    return path


def job(folder: Path, numbers: Iterable[int]) -> Any:
    """Return a job in `folder` that this Blender drives, its frames on disk and noted."""
    output = folder / "out"
    spec = spec_room.JobSpec(
        job_id="j1",
        project=folder,
        blend="a.blend",
        frames=tuple(numbers),
        output=output,
        blender="4.2",
        autoexec=False,
        settings=part("backend.settings").Settings(home=folder),
    )
    place = part("backend.job.store").JobStore(folder).create(record_room.JobRecord(spec=spec, started=time.time()))
    progress = part("backend.job.progress").Progress(total=len(spec.frames), started=time.time())
    driven = part("ui.session").DrivenJob(
        folder=place, spec=spec, progress=progress, cancel=part("backend.cancel").CancelToken()
    )
    for number in spec.frames:
        arrive(driven, number, still(output / f"{frames_room.frame_stem(number)}.png"))
    return driven


def arrive(driven: Any, number: int, *paths: Path) -> None:
    driven.saved[number] = paths
    driven.folder.add_saved(record_room.SavedFrame(frame=number, seconds=1.0, files=tuple(path.name for path in paths)))


def end(driven: Any) -> None:
    driven.ended = ev.JobEnded(at=0.0, status="succeeded", error=None, frames=(), missing=(), cost_usd=0.0)
    results.show_end(driven)


def area(kind: str) -> Any:
    return next(area for area in bpy.context.window.screen.areas if kind in (area.type, area.ui_type))


def editor(kind: str = "IMAGE_EDITOR") -> Any:
    """Turn the timeline into another editor; return its space."""
    place = area("DOPESHEET_EDITOR")
    place.ui_type = kind
    return place.spaces.active


def ours() -> Any:
    """Return our image; there is but one."""
    found = [image for image in bpy.data.images if image.name.startswith("Cloud Render")]
    assert len(found) <= 1, found
    return found[0] if found else None


def prefer(display: str) -> None:
    bpy.context.preferences.view.render_display_type = display


def in_view(space: Any) -> str:
    """Return the name of the file that an editor shows."""
    return Path(space.image.filepath_from_user(image_user=space.image_user)).name


# -- each frame as it comes ----------------------------------------------------------------------------


def case_the_newest_frame_is_shown_in_the_open_editor(folder: Path) -> None:
    space, driven = editor(), job(folder, (1, 2, 7))
    bpy.context.scene.frame_current = 5
    for number in (1, 2, 7):
        results.show_frames(driven, frame=number)
        assert space.image == ours() and ours().name == "Cloud Render" and ours().users == 1
        assert (ours().source, in_view(space)) == ("FILE", f"000{number}.png")
        assert ours().size[:] == (4, 4)
    assert bpy.context.scene.frame_current == 5
    assert not ours().use_fake_user


def case_a_frame_that_came_again_is_read_again(folder: Path) -> None:
    space, driven = editor(), job(folder, (1,))
    results.show_frames(driven, frame=1)
    assert space.image.size[:] == (4, 4)
    image = bpy.data.images.new("larger", 8, 8)
    image.filepath_raw, image.file_format = str(driven.saved[1][0]), "PNG"
    image.save()
    results.show_frames(driven, frame=1)
    assert space.image.size[:] == (8, 8)


def case_no_other_editor_is_taken_over(folder: Path) -> None:
    driven = job(folder, (1,))
    before = [area.ui_type for area in bpy.context.window.screen.areas]
    for display in ("WINDOW", "AREA", "SCREEN"):
        prefer(display)
        results.show_frames(driven, frame=1)
        assert [area.ui_type for area in bpy.context.window.screen.areas] == before


def case_editors_in_which_the_user_works_are_left_alone(folder: Path) -> None:
    driven, own = job(folder, (1, 2)), bpy.data.images.new("Own", 4, 4)
    prefer("AREA")
    space = editor("UV")
    results.show_frames(driven, frame=1)
    assert space.image is None
    area("UV").ui_type = "IMAGE_EDITOR"
    for change in ({"mode": "PAINT"}, {"mode": "MASK"}, {"mode": "VIEW", "use_image_pin": True}):
        bpy.context.window_manager.pop("cloudrender_placed")
        space.image = own
        for name, value in change.items():
            setattr(space, name, value)
        results.show_frames(driven, frame=2)
        assert space.image == own, change


def case_an_image_of_the_users_stays_unless_windows_are_unwanted(folder: Path) -> None:
    driven, own = job(folder, (1,)), bpy.data.images.new("Own", 4, 4)
    space = editor()
    space.image = own
    results.show_frames(driven, frame=1)
    assert space.image == own
    bpy.context.window_manager.pop("cloudrender_placed")
    prefer("AREA")
    results.show_frames(driven, frame=1)
    assert space.image == ours()


def case_the_editor_of_the_render_result_is_used(folder: Path) -> None:
    space, driven = editor(), job(folder, (1,))
    scene = bpy.context.scene
    scene.render.engine, scene.cycles.samples, scene.cycles.use_denoising = "CYCLES", 1, False
    scene.render.resolution_x = scene.render.resolution_y = 8
    bpy.ops.render.render()
    space.image = bpy.data.images["Render Result"]
    results.show_frames(driven, frame=1)
    assert space.image == ours()


def case_nothing_is_shown_to_who_wants_no_renders_shown(folder: Path) -> None:
    space, driven = editor(), job(folder, (1, 2))
    prefer("NONE")
    results.show_frames(driven, frame=1)
    assert space.image is None and ours() is None
    assert results.show_result(driven.folder, bpy.context) is None
    assert space.image == ours() and in_view(space) == "0001.png"
    results.show_frames(driven, frame=2)
    assert in_view(space) == "0002.png"


def case_what_the_user_put_aside_stays_aside(folder: Path) -> None:
    space, driven = editor(), job(folder, (1, 2))
    results.show_frames(driven, frame=1)
    space.image = None
    results.show_frames(driven, frame=2)
    assert space.image is None and ours().filepath.endswith("0002.png")


def case_after_another_file_was_loaded_it_is_shown_again(folder: Path) -> None:
    editor()
    driven = job(folder, (1, 2))
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "other.blend"))
    results.show_frames(driven, frame=1)
    bpy.ops.wm.open_mainfile(filepath=str(folder / "other.blend"), load_ui=True)
    assert ours() is None
    results.show_frames(driven, frame=2)
    assert in_view(area("IMAGE_EDITOR").spaces.active) == "0002.png"


def case_a_file_saved_with_it_shows_one_image_when_loaded(folder: Path) -> None:
    editor()
    driven = job(folder, (1, 2))
    results.show_frames(driven, frame=1)
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "other.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(folder / "other.blend"), load_ui=True)
    results.show_frames(driven, frame=2)
    assert in_view(area("IMAGE_EDITOR").spaces.active) == "0002.png"
    assert ours().users == 1


def case_a_frame_that_is_gone_from_disk_is_passed_over(folder: Path) -> None:
    space, driven = editor(), job(folder, (1, 2))
    results.show_frames(driven, frame=1)
    driven.saved[2][0].unlink()
    results.show_frames(driven, frame=2)
    assert in_view(space) == "0001.png"


# -- formats -------------------------------------------------------------------------------------------


def case_open_exr_is_seen_as_f12_shows_it(folder: Path) -> None:
    space, driven = editor(), job(folder, (1,))
    results.show_frames(driven, frame=1)
    assert space.image.size[:] == (4, 4)  # which reads it
    assert (ours().use_view_as_render, ours().colorspace_settings.name) == (False, "sRGB")
    driven.saved[2] = (rendered(folder / "out" / "0002.exr", "OPEN_EXR"),)
    results.show_frames(driven, frame=2)
    assert space.image == ours() and ours().size[:] == (8, 8) and ours().users == 1
    assert ours().use_view_as_render and ours().colorspace_settings.name.startswith("Linear")
    results.show_frames(driven, frame=1)
    assert ours().size[:] == (4, 4)
    assert (ours().use_view_as_render, ours().colorspace_settings.name) == (False, "sRGB")


def case_multilayer_keeps_its_layers_also_as_a_sequence(folder: Path) -> None:
    space, driven = editor(), job(folder, ())
    for number in (1, 2):
        arrive(driven, number, rendered(folder / "out" / f"000{number}.exr", "OPEN_EXR_MULTILAYER"))
    results.show_frames(driven, frame=2)
    _ = ours().size[:]  # reads it
    assert ours().type == "MULTILAYER"
    end(driven)
    bpy.context.scene.frame_set(1)
    assert (ours().source, in_view(space), ours().type) == ("SEQUENCE", "0001.exr", "MULTILAYER")


def case_of_several_files_the_image_itself_is_shown(folder: Path) -> None:
    space, driven, out = editor(), job(folder, ()), folder / "out"
    for number in (1, 2):
        names = (f"000{number}_R.png", f"Depth_000{number}.png", f"000{number}_L.png")
        arrive(driven, number, *(still(out / name) for name in names))
    results.show_frames(driven, frame=2)
    assert in_view(space) == "0002_L.png"
    end(driven)
    bpy.context.scene.frame_set(1)
    assert in_view(space) == "0001_L.png"
    arrive(driven, 3, still(out / "Mask_0003.png"), still(out / "0003.png"))
    results.show_frames(driven, frame=3)
    assert in_view(space) == "0003.png"


# -- along the timeline --------------------------------------------------------------------------------


def follow(space: Any, *numbers: int) -> list[str]:
    seen = []
    for number in numbers:
        bpy.context.scene.frame_set(number)
        seen.append(in_view(space))
    return seen


def case_after_the_end_the_animation_follows_the_timeline(folder: Path) -> None:
    space, driven = editor(), job(folder, (3, 4, 6))
    for number in (3, 4, 6):
        results.show_frames(driven, frame=number)
    bpy.context.scene.frame_set(4)
    assert (ours().source, in_view(space)) == ("FILE", "0006.png")
    end(driven)
    assert (ours().source, in_view(space)) == ("FILE", "0006.png")
    assert follow(space, 3, 4, 6, 9) == ["0003.png", "0004.png", "0006.png", "0006.png"]
    user = space.image_user
    assert (ours().source, user.frame_start, user.frame_duration, user.frame_offset) == ("SEQUENCE", 3, 4, 2)
    assert user.use_auto_refresh and not user.use_cyclic


def case_the_last_frame_may_come_with_the_end(folder: Path) -> None:
    space, driven = editor(), job(folder, (1, 2))
    results.show_frames(driven, frame=1)
    end(driven)
    results.show_frames(driven, frame=2)
    assert in_view(space) == "0002.png"
    assert follow(space, 1) == ["0001.png"]


def case_frames_above_9999_are_found(folder: Path) -> None:
    space, driven = editor(), job(folder, (9998, 9999, 10000, 10001))
    results.show_frames(driven, frame=10001)
    assert in_view(space) == "10001.png"
    end(driven)
    expected = ["9998.png", "9999.png", "10000.png", "10001.png"]
    assert follow(space, 9998, 9999, 10000, 10001) == expected


def case_a_sequence_begins_at_zero(folder: Path) -> None:
    space, driven = editor(), job(folder, (-2, -1, 0, 1))
    results.show_frames(driven, frame=-2)
    assert in_view(space) == "-0002.png"
    end(driven)
    assert follow(space, 0, 1) == ["0000.png", "0001.png"]


def case_where_there_is_no_sequence_the_last_frame_stays(folder: Path) -> None:
    space = editor()
    for number, numbers in enumerate(((-3, -2, -1), (5,))):
        (folder / str(number)).mkdir()
        driven = job(folder / str(number), numbers)
        results.show_frames(driven, frame=numbers[-1])
        end(driven)
        bpy.context.scene.frame_set(number + 20)
        assert ours().source == "FILE" and in_view(space) == driven.saved[numbers[-1]][0].name


def case_a_new_job_ends_the_animation_of_the_one_before(folder: Path) -> None:
    space, driven = editor(), job(folder, (1, 2))
    results.show_frames(driven, frame=2)
    end(driven)
    driven.ended = None
    results.show_frames(driven, frame=1)
    bpy.context.scene.frame_set(2)
    assert (ours().source, in_view(space)) == ("FILE", "0001.png")


def case_a_forgotten_job_leaves_its_last_frame(folder: Path) -> None:
    space, driven = editor(), job(folder, (1, 2))
    results.show_frames(driven, frame=2)
    end(driven)
    (driven.folder.path / "record.json").unlink()
    bpy.context.scene.frame_set(1)
    assert (ours().source, in_view(space)) == ("FILE", "0002.png")


# -- later, from disk ----------------------------------------------------------------------------------


def case_a_result_is_shown_from_disk(folder: Path) -> None:
    space, driven = editor(), job(folder, (1, 2, 3))
    bpy.context.scene.frame_current = 2
    assert results.show_result(driven.folder, bpy.context) is None
    assert in_view(space) == "0002.png"
    assert follow(space, 1, 3) == ["0001.png", "0003.png"]
    bpy.context.scene.frame_current = 50
    assert results.show_result(driven.folder, bpy.context) is None
    assert in_view(space) == "0003.png"


def case_why_there_is_nothing_to_show(folder: Path) -> None:
    driven = job(folder, (1,))
    driven.saved[1][0].unlink()
    assert results.show_result(driven.folder, bpy.context) == "No frame of this job is on this computer"
    (driven.folder.path / "record.json").write_text("{")
    assert "cannot be read" in results.show_result(driven.folder, bpy.context)
    assert ours() is None


# -- undo, disabling -----------------------------------------------------------------------------------


def case_what_undo_takes_is_given_back(folder: Path) -> None:
    space, driven = editor(), job(folder, (1, 2))
    results.show_frames(driven, frame=2)
    end(driven)
    for number, source, name in ((None, "FILE", "0002.png"), (1, "SEQUENCE", "0001.png")):
        if number is not None:
            bpy.context.scene.frame_set(number)
        results._before_undo()
        bpy.data.images.remove(ours())
        assert space.image is None
        results._after_undo()
        assert (ours().source, in_view(space), ours().users) == (source, name, 1)


def case_undo_does_not_bring_back_what_was_put_aside(folder: Path) -> None:
    space, driven = editor(), job(folder, (1,))
    results.show_frames(driven, frame=1)
    results._before_undo()
    results._after_undo()
    space.image = None
    results._before_undo()
    bpy.data.images.remove(ours())
    results._after_undo()
    assert space.image is None and ours() is None


def case_disabling_leaves_no_handler(folder: Path) -> None:
    driven = job(folder, (1, 2))
    editor()
    results.show_frames(driven, frame=1)
    end(driven)
    lists = [getattr(bpy.app.handlers, name) for name in dir(bpy.app.handlers)]

    def handlers() -> list[Any]:
        everyone = [one for some in lists if isinstance(some, list) for one in some]
        return [one for one in everyone if one.__module__ == results.__name__]

    assert len(handlers()) == 5
    results.unregister()
    assert not handlers()
    results.unregister()
    results.register()


run(globals())
