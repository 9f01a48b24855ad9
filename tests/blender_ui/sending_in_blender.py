# SPDX-License-Identifier: GPL-3.0-or-later
"""Run inside Blender: what is sent of the open file, found out and checked by a second Blender in the background."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Any

import bpy

sys.path.append(str(Path(__file__).parent))
from cases import run
from enabled import enable, part

enable()
SESSION, errors = part("ui.session").SESSION, part("backend.errors")
snapshot, sending, pump = part("ui.snapshot"), part("ui.sending"), part("ui.pump")
ui_check, check_images = part("ui.snapshot_check"), part("ui.check_images")
own_blender, job_traced = part("ui.own_blender").own_blender, part("backend.job.traced")
CancelToken, ev = part("backend.cancel").CancelToken, part("backend.job.events")
SECONDS = 90.0


def picture(path: Path, *, color: tuple[float, ...] = (0.8, 0.5, 0.2, 1)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = bpy.data.images.new("made", 4, 4)
    image.generated_color = color
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    bpy.data.images.remove(image)
    return path


def use(path: str, *, name: str = "Wood") -> Any:
    """Let the cube show a picture."""
    image = bpy.data.images.new(name, 4, 4)
    image.source, image.filepath = "FILE", path
    tree = bpy.data.objects["Cube"].active_material.node_tree
    texture = tree.nodes.new("ShaderNodeTexImage")
    texture.image = image
    tree.links.new(texture.outputs[0], tree.nodes["Principled BSDF"].inputs["Base Color"])
    return image


def film(folder: Path) -> Path:
    """Save a small scene that uses a picture beside it and one elsewhere; return its folder."""
    project = folder / "film"
    picture(folder / "elsewhere" / "oak.png")
    picture(project / "tex" / "wood.png")
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.render.resolution_x, scene.render.resolution_y = 64, 36
    scene.cloudrender.output = str(folder / "out")
    bpy.ops.wm.save_as_mainfile(filepath=str(project / "film.blend"))
    use(str(folder / "elsewhere" / "oak.png"), name="Oak")
    use("//tex/wood.png")
    bpy.ops.wm.save_as_mainfile(filepath=str(project / "film.blend"), relative_remap=False)
    return project


def find(folder: Any, *, told: list[Any] | None = None) -> Any:
    """Find out what a job sends, as its thread does."""
    report = told.append if told is not None else lambda _: None
    sending.find_files(folder, folder.load().spec, own=own_blender(), report=report, cancel=CancelToken())
    return job_traced.load_traced(folder)


def names(traced: Any) -> list[str]:
    return [file.name.rpartition("/")[2] for file in traced.bundle.files]


# -- a job ---------------------------------------------------------------------------------------------


def case_a_job_sends_what_it_uses(folder: Path) -> None:
    project = film(folder)
    (project / "unused.bin").write_bytes(b"unused")
    before = bpy.data.filepath, bpy.data.is_dirty, bpy.data.images["Wood"].filepath
    made, record = snapshot.make_job(bpy.context, animation=False)
    assert (bpy.data.filepath, bpy.data.is_dirty, bpy.data.images["Wood"].filepath) == before
    told: list[Any] = []
    traced = find(made, told=told)
    assert sorted(names(traced)) == ["film.blend", "oak.png", "wood.png"] and not traced.missing
    assert [type(event).__name__ for event in told] == ["StatusChanged", "Notice", "FilesTraced"]
    assert told[0].status.value == "packing" and told[1].text == "Looking for the files it uses"
    assert told[2].files == 3 and [path.name for path in told[2].outside] == ["oak.png"]
    again: list[Any] = []
    find(made, told=again)
    assert again == [], "it is found out once"
    assert record.spec.settings.local_blender == own_blender().program
    shutil.rmtree(made.path)


def case_what_is_missing_ends_the_job_unless_it_is_accepted(folder: Path) -> None:
    project = film(folder)
    (project / "tex" / "wood.png").unlink()
    made, _ = snapshot.make_job(bpy.context, animation=False)
    try:
        find(made)
    except errors.MissingFilesError as error:
        assert error.paths == (str(project / "tex" / "wood.png"),) and "image Wood" in error.details[0]
        sending.accept(made, error.paths)
    else:
        raise AssertionError("not refused")
    assert sorted(names(find(made))) == ["film.blend", "oak.png"]
    shutil.rmtree(made.path)
    [problem] = part("ui.preflight").find_problems(bpy.context, animation=False)
    made, _ = snapshot.make_job(bpy.context, animation=False, accept_missing=problem.missing)
    assert sorted(names(find(made))) == ["film.blend", "oak.png"], "the dialog has said so"
    shutil.rmtree(made.path)


def case_a_file_that_was_never_saved_sends_what_has_an_absolute_path(folder: Path) -> None:
    bpy.context.scene.render.engine = "CYCLES"
    bpy.context.scene.cloudrender.output = str(folder / "out")
    use(str(picture(folder / "elsewhere" / "oak.png")))
    made, _ = snapshot.make_job(bpy.context, animation=False)
    assert sorted(names(find(made))) == ["oak.png", "untitled.blend"]
    shutil.rmtree(made.path)


def case_the_whole_folder(folder: Path) -> None:
    project = film(folder)
    (project / "data.bin").write_bytes(b"read by a script")
    bpy.context.scene.cloudrender.send = "FOLDER"
    made, record = snapshot.make_job(bpy.context, animation=False)
    sending.find_files(made, record.spec, own=own_blender(), report=lambda _: None, cancel=CancelToken())
    assert not job_traced.is_traced(made)
    bundle = part("backend.jobs").bundle_of(made, record.spec, cancel=CancelToken())
    assert {file.name for file in bundle.files} == {"data.bin", "film.blend", "tex/wood.png"}
    shutil.rmtree(made.path)


def case_a_blender_of_another_series_is_looked_for(folder: Path) -> None:
    film(folder)
    made, record = snapshot.make_job(bpy.context, animation=False)
    room = part("ui.own_blender")
    assert room.blender_of(record.spec, own=own_blender()) == own_blender()
    from dataclasses import replace

    settings = replace(record.spec.settings, local_blender=folder / "gone" / "blender")
    spec = replace(record.spec, blender="4.3.1", settings=settings)
    try:
        room.blender_of(spec, own=own_blender())
    except errors.ConfigError as error:
        assert "does not exist" in error.message
    else:
        raise AssertionError("it would be opened by another Blender")
    shutil.rmtree(made.path)


# -- Check Snapshot ------------------------------------------------------------------------------------


def check() -> Any:
    """Press Check Snapshot, and wait for what comes of it as the pump does."""
    assert bpy.ops.cloudrender.check_snapshot() == {"FINISHED"}
    return wait()


def wait() -> Any:
    deadline = time.monotonic() + SECONDS
    while ui_check.KEY in SESSION.busy:
        assert time.monotonic() < deadline, SESSION.checking
        pump.pump()
        time.sleep(0.02)
    return SESSION.checked


def ours() -> dict[str, Any]:
    return {image.name: image for image in bpy.data.images if check_images.is_ours(image)}


def case_an_identical_bundle(folder: Path) -> None:
    project = film(folder)
    before = sorted(path for path in folder.rglob("*"))
    dirty = bpy.data.is_dirty
    checked = check()
    assert checked.error is None and checked.result.identical, checked
    assert bpy.data.is_dirty == dirty and sorted(path for path in folder.rglob("*")) == before
    assert set(ours()) == {"Cloudrender Check: Open File", "Cloudrender Check: Bundle"}
    assert tuple(ours()["Cloudrender Check: Bundle"].size) == (64, 36)
    home = part("ui.preferences").jobs_home()
    assert not list(home.glob("check-*")) and not list((home / "jobs").glob("*"))
    assert part("ui.preflight").find_problems(bpy.context, animation=False) == (), (
        "our images are no files of the scene"
    )
    bpy.ops.wm.save_as_mainfile(filepath=str(project / "film.blend"))
    assert bpy.ops.cloudrender.show_check(picture="BUNDLE") == {"FINISHED"}
    assert bpy.ops.cloudrender.dismiss_check() == {"FINISHED"} and SESSION.checked is None


def case_a_bundle_that_lacks_a_file(folder: Path) -> None:
    project = film(folder)
    (project / ".cloudrenderignore").write_text("tex/\n")
    checked = check()
    assert checked.result.differing > 0.01 and checked.result.verdict.startswith("Different: ")
    assert set(ours()) == set(check_images.NAMES.values())
    assert any("wood.png" in note for note in checked.notes)
    (project / ".cloudrenderignore").unlink()
    assert check().result.identical
    assert "Cloudrender Check: Difference" not in ours(), "of an earlier check"


def case_the_whole_folder_is_checked_as_it_would_be_sent(folder: Path) -> None:
    film(folder)
    bpy.context.scene.cloudrender.send = "FOLDER"
    checked = check()
    assert checked.result.reached == (str((folder / "elsewhere" / "oak.png").resolve()),), checked
    assert not checked.result.identical


def case_a_file_that_was_never_saved_is_checked(folder: Path) -> None:
    bpy.context.scene.render.engine = "CYCLES"
    bpy.context.scene.render.resolution_x, bpy.context.scene.render.resolution_y = 64, 36
    use(str(picture(folder / "oak.png")))
    checked = check()
    assert checked.error is None and checked.result.identical and not checked.missing, checked


def case_what_is_missing_here_too_is_named(folder: Path) -> None:
    project = film(folder)
    (project / "tex" / "wood.png").unlink()
    checked = check()
    assert checked.result.identical and len(checked.missing) == 1 and "wood.png" in checked.missing[0]


def case_a_scene_without_camera(folder: Path) -> None:
    film(folder)
    bpy.context.scene.camera = None
    checked = check()
    assert checked.result.verdict.startswith("No picture: ") and "no camera" in checked.result.reason
    assert ours() == {}


def case_it_can_be_given_up(folder: Path) -> None:
    film(folder)
    assert bpy.ops.cloudrender.check_snapshot() == {"FINISHED"}
    assert not bpy.ops.cloudrender.check_snapshot.poll(), "one at a time"
    assert bpy.ops.cloudrender.cancel_check() == {"FINISHED"}
    assert wait() is None and SESSION.checking is None
    assert not list(part("ui.preferences").jobs_home().glob("check-*"))
    assert bpy.ops.cloudrender.cancel_check() == {"CANCELLED"}


def case_it_is_given_up_when_the_extension_goes(folder: Path) -> None:
    film(folder)
    assert bpy.ops.cloudrender.check_snapshot() == {"FINISHED"}
    over = SESSION.checking.over
    began = time.monotonic()
    ui_check.leave()
    assert over.is_set() and time.monotonic() - began < 2.0
    wait()


run(globals())
