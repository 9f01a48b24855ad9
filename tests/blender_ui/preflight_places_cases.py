# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside Blender: what the preflight says of where the file is, where its frames go, and where what it uses is."""

from __future__ import annotations

import os
from pathlib import Path

import bpy
from enabled import part
from preflight_kit import about, again, image, only, picture, problems, save, used, whole_folder

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
    assert part("ui.preflight_files")._within(str(project / "skin.1001.png"), str(project))


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
    files_room = part("ui.preflight_files")
    everything = files_room.examine(project, folder_alone=False, outputs=(), seconds=10)
    assert (len(everything.faults[files_room.Fault.MISSING]), everything.not_looked_at) == (5, 0)
    nothing = files_room.examine(project, folder_alone=False, outputs=(), seconds=-1)
    assert (nothing.faults, nothing.not_looked_at) == ({}, 5)
    problem = only(list(part("ui.preflight_places")._file_problems(nothing)))
    assert problem.level == "WARNING" and problem.text.startswith("5 of the files")
    assert problem.operator == "file.report_missing_files"
