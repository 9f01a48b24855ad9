# SPDX-License-Identifier: GPL-3.0-or-later
"""Run inside Blender: what the preflight says of files that have something wrong with them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy

sys.path.append(str(Path(__file__).parent))
from cases import run
from enabled import enable, part

enable()
preflight, files_room = part("ui.preflight"), part("ui.preflight_files")


def problems(*, animation: bool = True) -> list[Any]:
    """Return what is wrong, having seen that looking changed nothing."""
    before = session()
    found = list(preflight.find_problems(bpy.context, animation=animation))
    assert session() == before
    for problem in found:
        assert problem.text and problem.fix and not problem.text.endswith(".") and not problem.fix.endswith("."), (
            problem
        )
        if problem.operator:
            room, _, name = problem.operator.partition(".")
            assert getattr(getattr(bpy.ops, room), name).get_rna_type()
    return found


def session() -> Any:
    """Return all that a look must leave alone."""
    kinds = [getattr(bpy.data, prop.identifier) for prop in bpy.data.bl_rna.properties if prop.type == "COLLECTION"]
    datablocks = [(one.name_full, one.users, getattr(one, "filepath", "")) for kind in kinds for one in kind]
    selected = [(one.name, one.select_get()) for one in bpy.context.scene.objects]
    scene = bpy.context.scene
    own = (bpy.data.filepath, bpy.data.is_dirty, scene.frame_current, scene.render.filepath, scene.render.engine)
    loaded = [(image.name, image.has_data, image.is_dirty) for image in bpy.data.images]
    return datablocks, selected, own, loaded, bpy.context.view_layer.objects.active


def only(found: list[Any]) -> Any:
    assert len(found) == 1, [problem.text for problem in found]
    return found[0]


def about(text: str, found: list[Any]) -> Any:
    return only([problem for problem in found if text in problem.text])


def save(folder: Path) -> Path:
    """Save the open file in a project folder; return that folder."""
    project = folder / "film"
    project.mkdir(exist_ok=True)
    bpy.context.scene.render.engine = "CYCLES"
    bpy.ops.wm.save_as_mainfile(filepath=str(project / "scene.blend"))
    return project


def again(project: Path) -> None:
    """Save and load the file, as it is when it was opened."""
    bpy.ops.wm.save_as_mainfile(filepath=str(project / "scene.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(project / "scene.blend"))


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = bpy.data.images.new("made", 4, 4)
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    bpy.data.images.remove(image)
    return path


def image(stored: str, *, name: str = "Wood", source: str = "FILE") -> Any:
    """Add an image that the scene uses."""
    made = bpy.data.images.new(name, 4, 4)
    made.source, made.filepath = source, stored
    return used(made)


def used(made: Any) -> Any:
    material = bpy.data.materials.new("Material of " + made.name)
    if material.node_tree is None:  # before 5.0
        material.use_nodes = True
    material.node_tree.nodes.new("ShaderNodeTexImage").image = made
    bpy.data.objects["Cube"].data.materials.append(material)
    return made


# -- the scene -----------------------------------------------------------------------------------------


def case_a_file_in_order_has_no_problems(folder: Path) -> None:
    project = save(folder)
    picture(project / "tex" / "wood.png")
    image("//tex/wood.png")
    again(project)
    assert problems() == [] and problems(animation=False) == []


def case_no_camera(folder: Path) -> None:
    save(folder)
    bpy.context.scene.camera = None
    problem = only(problems())
    assert (problem.level, problem.text) == ("ERROR", "The scene has no camera")


def case_offline(folder: Path) -> None:
    save(folder)
    bpy.context.preferences.system.use_online_access = False
    problem = only(problems())
    assert (problem.level, problem.operator) == ("ERROR", "extensions.userpref_allow_online")
    assert "offline" in problem.text and "Allow Online Access" in problem.fix


def case_a_movie(folder: Path) -> None:
    save(folder)
    settings = bpy.context.scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "VIDEO"
    settings.file_format = "FFMPEG"
    problem = only(problems())
    assert problem.level == "WARNING" and "PNG" in problem.text
    assert problems(animation=False) == []


def case_an_engine_that_needs_a_gpu(folder: Path) -> None:
    save(folder)
    scene = bpy.context.scene
    for engine, label in ((part("ui.compat").EEVEE, "EEVEE"), ("BLENDER_WORKBENCH", "Workbench")):
        scene.render.engine = engine
        assert scene.render.engine == engine
        for machine, fits in (("g6.xlarge", True), ("g99.xlarge", True), ("c7a.4xlarge", False), ("x9.large", False)):
            scene.cloudrender.machine_type = machine
            found = problems()
            assert bool(found) != fits, machine
            if found:
                assert found[0].level == "WARNING" and label in found[0].text and machine in found[0].text
    scene.render.engine = "CYCLES"
    assert problems() == []


def case_a_machine_type_that_is_none(folder: Path) -> None:
    save(folder)
    quote = part("backend.farms.quotes").Quote
    quotes = part("ui.session").SESSION.quotes
    settings = bpy.context.scene.cloudrender
    try:
        for name in ("g5", "g5 xlarge", "g5.xlarge, gpu"):
            settings.machine_type = name
            assert only(problems()).text.endswith("is not the name of a machine type")
        settings.machine_type = "g5.xlagre"
        assert problems() == [], "nobody has asked Amazon yet"
        quotes["g5.xlagre"] = quote(spot_usd=None, on_demand_usd=None, extras_usd=0.1)
        assert problems() == [], "prices may be kept from this user"
        quotes["g5.xlarge"] = quote(spot_usd=0.5, on_demand_usd=1.0, extras_usd=0.1)
        found = only(problems())
        assert found.level == "ERROR" and found.text.startswith("g5.xlagre is not to be had")
        settings.machine_type = "g5.xlarge"
        assert problems() == []
    finally:
        quotes.clear()


def case_a_blender_that_is_no_release(folder: Path) -> None:
    app = SimpleNamespace(version=(5, 3, 0), version_cycle="alpha", version_string="5.3.0 Alpha")
    problem = only(list(preflight._version_problems(app)))
    assert problem.level == "WARNING" and "5.3.0 Alpha" in problem.text and "newest release of 5.3" in problem.text
    assert not list(preflight._version_problems(bpy.app))


def case_an_engine_that_is_not_blenders(folder: Path) -> None:
    class Foreign(bpy.types.RenderEngine):
        bl_idname = "FOREIGN_RENDER"
        bl_label = "Foreign"

    save(folder)
    bpy.utils.register_class(Foreign)
    try:
        bpy.context.scene.render.engine = "FOREIGN_RENDER"
        problem = only(problems())
    finally:
        bpy.utils.unregister_class(Foreign)
    assert problem.level == "ERROR" and "FOREIGN_RENDER" in problem.text


def case_frames_that_make_no_sense(folder: Path) -> None:
    save(folder)
    settings = bpy.context.scene.cloudrender
    settings.frames, settings.custom_frames = "CUSTOM", "50-1"
    assert only(problems()).level == "ERROR"
    assert problems(animation=False) == []


def case_scripts_that_are_blocked(folder: Path) -> None:
    project = save(folder)
    driver = bpy.data.objects["Cube"].driver_add("location", 0).driver
    driver.expression = "len(bpy.data.objects)"
    text = bpy.data.texts.new("boot.py")
    text.write("pass")
    text.use_module = True
    bpy.ops.wm.save_as_mainfile(filepath=str(project / "scene.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(project / "scene.blend"), use_scripts=False)
    problem = only(problems())
    assert problem.level == "WARNING" and "blocked" in problem.text
    bpy.ops.wm.open_mainfile(filepath=str(project / "scene.blend"), use_scripts=True)
    assert problems() == []


def case_errors_come_first(folder: Path) -> None:
    project = save(folder)
    image("//nowhere.png")
    again(project)
    bpy.context.scene.camera = None
    assert [problem.level for problem in problems()] == ["ERROR", "WARNING"]


def whole_folder() -> None:
    bpy.context.scene.cloudrender.send = "FOLDER"


# -- where it is ---------------------------------------------------------------------------------------


def case_a_file_that_was_never_saved(folder: Path) -> None:
    bpy.context.scene.render.engine = "CYCLES"
    problem = only(problems())
    assert (problem.level, problem.operator) == ("WARNING", "wm.save_mainfile")
    assert "never saved" in problem.text and "temporary" in problem.text
    bpy.context.scene.cloudrender.output = str(folder / "out")
    image(str(picture(folder / "wood.png")))
    assert problems() == [], "what has an absolute path is found"
    image("//oak.png", name="Oak")
    assert about("missing", problems()).missing == (os.path.normpath(bpy.path.abspath("//oak.png")),)
    whole_folder()
    assert "temporary" not in about("never saved: only what is packed into it", problems()).text
    assert "wood.png" in about("not sent", problems()).text


def case_folders_that_are_no_project(folder: Path) -> None:
    home = folder / "home"
    (home / "Desktop").mkdir(parents=True)
    real, os.environ["HOME"] = os.environ["HOME"], str(home)
    try:
        bpy.ops.wm.save_as_mainfile(filepath=str(home / "scene.blend"))
        assert all("folder" not in problem.text for problem in problems()), "nothing but what is used is sent"
        for place, level in ((home, "ERROR"), (folder, "ERROR"), (home / "Desktop", "WARNING")):
            bpy.ops.wm.read_homefile(use_factory_startup=True)
            bpy.context.scene.render.engine = "CYCLES"
            whole_folder()
            bpy.ops.wm.save_as_mainfile(filepath=str(place / "scene.blend"))
            problem = only(problems())
            assert (problem.level, problem.operator) == (level, "wm.save_as_mainfile"), problem
            assert str(place) in problem.text
    finally:
        os.environ["HOME"] = real


def case_an_output_folder_that_cannot_be(folder: Path) -> None:
    project = save(folder)
    assert not (project / "out").exists() and problems() == []
    assert not (project / "out").exists()
    (project / "out").write_text("a file is in its place")
    problem = only(problems())
    assert problem.level == "ERROR" and str(project / "out") in problem.text


# -- files ---------------------------------------------------------------------------------------------


def case_a_missing_image(folder: Path) -> None:
    project = save(folder)
    image("//tex/wood.png")
    image("//tex/wood.png", name="Twice")
    again(project)
    problem = only(problems())
    assert (problem.level, problem.operator) == ("WARNING", "file.find_missing_files")
    assert problem.text == "1 file is missing: wood.png"
    assert len(problem.names) == 1 and str(project / "tex" / "wood.png") in problem.names[0]
    assert "image" in problem.names[0]


def case_an_image_that_nothing_uses_is_not_missed(folder: Path) -> None:
    project = save(folder)
    image("//unused.png").use_fake_user = True
    bpy.data.materials.remove(bpy.data.materials["Material of Wood"])
    again(project)
    assert "Wood" in bpy.data.images and problems() == []


def case_many_missing_files(folder: Path) -> None:
    project = save(folder)
    for number in range(25):
        image(f"//tex/wood{number:02d}.png", name=f"Wood {number}")
    again(project)
    problem = only(problems())
    assert problem.text.startswith("25 files are missing: ") and problem.text.endswith(" and 23 more")
    assert len(problem.names) == 11 and problem.names[-1] == "and 15 more"


def case_a_missing_library(folder: Path) -> None:
    save(folder)
    library = folder / "film" / "libs" / "props.blend"
    library.parent.mkdir()
    chair = bpy.data.meshes.new("Chair")
    bpy.data.libraries.write(str(library), {chair})
    bpy.data.meshes.remove(chair)
    with bpy.data.libraries.load(str(library), link=True, relative=True) as (_, to):
        to.meshes = ["Chair"]
    bpy.data.objects["Cube"].data = bpy.data.meshes["Chair"]
    again(folder / "film")
    assert problems() == []
    library.unlink()
    bpy.ops.wm.open_mainfile(filepath=str(folder / "film" / "scene.blend"))
    problem = only(problems())
    assert problem.text == "1 file is missing: props.blend" and "library props.blend" in problem.names[0]


def case_the_image_of_a_library(folder: Path) -> None:
    project = save(folder)
    library = project / "libs" / "props.blend"
    library.parent.mkdir()
    bpy.ops.wm.read_homefile(use_factory_startup=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(library))
    image("//wood.png")
    bpy.ops.wm.save_as_mainfile(filepath=str(library))
    bpy.ops.wm.open_mainfile(filepath=str(project / "scene.blend"))
    with bpy.data.libraries.load(str(library), link=True, relative=True) as (_, to):
        to.materials = ["Material of Wood"]
    bpy.data.objects["Cube"].data.materials.append(bpy.data.materials["Material of Wood"])
    again(project)
    assert str(library.parent / "wood.png") in only(problems()).names[0]
    picture(library.parent / "wood.png")
    assert problems() == []


def case_other_kinds_of_files(folder: Path) -> None:
    project = save(folder)
    (project / "song.wav").write_bytes(b"RIFF")
    (project / "clip.png").write_bytes(picture(project / "made.png").read_bytes())
    bpy.data.sounds.load("//song.wav").use_fake_user = True
    bpy.data.movieclips.load("//clip.png").use_fake_user = True
    bpy.data.texts.new("notes").filepath  # noqa: B018 - a text without a file
    modifier = bpy.data.objects["Cube"].modifiers.new("Cache", "MESH_CACHE")
    modifier.filepath = "//points.pc2"
    (project / "points.pc2").write_bytes(b"POINTCACHE2")
    again(project)
    assert problems() == []
    for name in ("song.wav", "clip.png", "points.pc2"):
        (project / name).unlink()
    problem = only(problems())
    assert problem.text.startswith("3 files are missing: ")
    assert all(any(name in line for line in problem.names) for name in ("song.wav", "clip.png", "points.pc2"))


def case_a_sequence(folder: Path) -> None:
    project = save(folder)
    for number in (10, 11):
        picture(project / "seq" / f"smoke_{number:04d}.png")
    image("//seq/smoke_0001.png", source="SEQUENCE")
    again(project)
    assert problems() == []  # it begins later than it was when it was chosen
    for path in (project / "seq").iterdir():
        path.unlink()
    assert only(problems()).text == "1 file is missing: smoke_0001.png"


def case_tiles(folder: Path) -> None:
    project = save(folder)
    for number in (1001, 1002, 1011):
        picture(project / f"skin.{number}.png")
    made = bpy.data.images.load("//skin.1001.png")
    made.source, made.filepath = "TILED", "//skin.<UDIM>.png"
    for number in (1002, 1011):
        made.tiles.new(number)
    used(made)
    again(project)
    assert [tile.number for tile in bpy.data.images["skin.1001.png"].tiles] == [1001, 1002, 1011]
    assert problems() == []
    (project / "skin.1011.png").unlink()
    problem = only(problems())
    assert problem.text == "1 file is missing: skin.1011.png"
    assert problem.missing == (str(project / "skin.<UDIM>.png"),), "as a trace names it"
    assert files_room._within(str(project / "skin.1001.png"), str(project))


def case_packed_files_need_not_be_there(folder: Path) -> None:
    project = save(folder)
    path = picture(folder / "elsewhere" / "wood.png")
    made = used(bpy.data.images.load(str(path)))
    assert problems() == []
    whole_folder()
    assert "not sent" in only(problems()).text
    made.pack()
    path.unlink()
    again(project)
    assert problems() == []


def case_a_file_outside_the_project(folder: Path) -> None:
    project = save(folder)
    picture(folder / "textures" / "wood.png")
    picture(project.with_name("film2") / "oak.png")
    image("//../textures/wood.png")
    image("//../film2/oak.png", name="Oak")
    again(project)
    assert problems() == []
    whole_folder()
    problem = only(problems())
    assert problem.level == "WARNING" and problem.text.startswith("2 files are not in the project folder")
    assert "Used Files" in problem.fix


def case_an_absolute_path(folder: Path) -> None:
    project = save(folder)
    image(str(picture(project / "wood.png")))
    again(project)
    assert problems() == []
    whole_folder()
    problem = only(problems())
    assert "absolute path" in problem.text and problem.operator == "file.make_paths_relative"
    bpy.ops.file.make_paths_relative()
    assert problems() == []


def case_files_that_stay_at_home(folder: Path) -> None:
    project = save(folder)
    for number, name in enumerate(("out/a.png", "frames/b.png", "cache/c.png", ".env/d.png")):
        picture(project / name)
        image(f"//{name}", name=str(number))
    (project / ".cloudrenderignore").write_text("cache/\n")
    again(project)
    bpy.context.scene.cloudrender.output = "//frames/"
    problem = only(problems())
    assert problem.text.startswith("2 files are used, but never sent: ") and "c.png" in problem.text
    assert "d.png" in problem.text
    whole_folder()
    assert only(problems()).text.startswith("4 files are in the project folder, but never sent: ")
    (project / ".cloudrenderignore").write_bytes(b"\xff\xfe")
    problem = only(problems())
    assert problem.level == "ERROR" and ".cloudrenderignore" in problem.text


def case_images_with_unsaved_changes(folder: Path) -> None:
    project = save(folder)
    picture(project / "wood.png")
    image("//wood.png")
    used(bpy.data.images.new("Untouched", 4, 4))
    again(project)
    assert problems() == []
    bpy.data.images["Wood"].pixels[0] = 0.5
    used(bpy.data.images.new("Painted", 4, 4)).pixels[0] = 0.5
    problem = only(problems())
    assert (problem.level, problem.operator) == ("WARNING", "image.save_all_modified")
    assert problem.text.startswith("2 images with unsaved changes: ") and set(problem.names) == {"Wood", "Painted"}
    for made in ("Wood", "Painted"):
        bpy.data.images[made].pack()
    assert problems() == []


def case_our_own_image_and_a_render_are_no_problem(folder: Path) -> None:
    project = save(folder)
    scene = bpy.context.scene
    scene.cycles.samples, scene.cycles.use_denoising = 1, False
    scene.render.resolution_x = scene.render.resolution_y = 8
    bpy.ops.render.render()
    path = picture(folder / "elsewhere" / "0001.png")
    used(part("ui.result_image").show(path, job=folder))
    path.unlink()
    bpy.ops.wm.save_as_mainfile(filepath=str(project / "scene.blend"))
    assert problems() == []


def case_what_was_appended_is_not_needed_again(folder: Path) -> None:
    save(folder)
    library = folder / "assets" / "library.blend"
    library.parent.mkdir()
    chair = bpy.data.meshes.new("Chair")
    bpy.data.libraries.write(str(library), {chair})
    bpy.data.meshes.remove(chair)
    bpy.ops.wm.append(directory=f"{library}/Mesh/", filename="Chair", do_reuse_local_id=True)
    assert bpy.data.meshes["Chair"].library_weak_reference
    assert problems() == []


def case_the_brush_in_hand_is_not_rendered(folder: Path) -> None:
    if bpy.app.version < (4, 3):
        return  # brushes are never linked
    save(folder)
    library = folder / "assets" / "library.blend"
    library.parent.mkdir()
    brush, chalk = bpy.data.brushes.new("Pencil", mode="SCULPT"), bpy.data.materials.new("Chalk")
    brush["material"] = chalk  # any use of another datablock
    bpy.data.libraries.write(str(library), {brush}, fake_user=True)
    bpy.data.batch_remove((brush, chalk))
    with bpy.data.libraries.load(str(library), link=True) as (_, to):
        to.brushes = ["Pencil"]
    assert bpy.data.materials["Chalk"].library and problems() == []
    bpy.data.objects["Cube"].data.materials.append(bpy.data.materials["Chalk"])
    assert problems() == []
    whole_folder()
    assert "library.blend" in only(problems()).text


def case_too_many_files_to_look_at(folder: Path) -> None:
    project = save(folder)
    for number in range(5):
        image(f"//wood{number}.png", name=str(number))
    again(project)
    everything = files_room.examine(project, folder_alone=False, outputs=(), seconds=10)
    assert (len(everything.faults[files_room.Fault.MISSING]), everything.not_looked_at) == (5, 0)
    nothing = files_room.examine(project, folder_alone=False, outputs=(), seconds=-1)
    assert (nothing.faults, nothing.not_looked_at) == ({}, 5)
    problem = only(list(preflight._file_problems(nothing)))
    assert problem.level == "WARNING" and problem.text.startswith("5 of the files")
    assert problem.operator == "file.report_missing_files"


run(globals())
